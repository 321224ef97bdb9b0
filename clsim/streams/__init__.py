"""What arrives over time; each function here returns a :class:`Stream`."""

from clsim.streams.fscil import fscil
from clsim.streams.incremental import class_incremental
from clsim.streams.replacement import Replacement, poisson_arrivals, replacement_stream
from clsim.streams.session import ResidentView, Session
from clsim.streams.stream import Stream
from clsim.streams.text_upgrade import TextStream, text_upgrade
from clsim.streams.upgrade import upgrade

__all__ = [
    "Replacement",
    "ResidentView",
    "Session",
    "Stream",
    "TextStream",
    "class_incremental",
    "fscil",
    "poisson_arrivals",
    "replacement_stream",
    "text_upgrade",
    "upgrade",
]
