"""Streams over time: sessions, replacement models and their builders.

May import `models` and the packages below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.utils.lazy import lazy_exports

if TYPE_CHECKING:
    from clsim.streams.builders.fscil import fscil
    from clsim.streams.builders.incremental import incremental
    from clsim.streams.builders.replacement import poisson_arrivals, replacement
    from clsim.streams.builders.text_upgrade import text_upgrade
    from clsim.streams.builders.upgrade import upgrade
    from clsim.streams.replacements import Replacement
    from clsim.streams.session import ResidentView, Session
    from clsim.streams.stream import Stream
    from clsim.streams.text_stream import TextStream

__all__ = [
    "Replacement",
    "ResidentView",
    "Session",
    "Stream",
    "TextStream",
    "fscil",
    "incremental",
    "poisson_arrivals",
    "replacement",
    "text_upgrade",
    "upgrade",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Replacement": "clsim.streams.replacements",
        "ResidentView": "clsim.streams.session",
        "Session": "clsim.streams.session",
        "Stream": "clsim.streams.stream",
        "TextStream": "clsim.streams.text_stream",
        "fscil": "clsim.streams.builders.fscil",
        "incremental": "clsim.streams.builders.incremental",
        "poisson_arrivals": "clsim.streams.builders.replacement",
        "replacement": "clsim.streams.builders.replacement",
        "text_upgrade": "clsim.streams.builders.text_upgrade",
        "upgrade": "clsim.streams.builders.upgrade",
    },
)
