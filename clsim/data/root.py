"""The folder where data sets live, and the names they are loaded by."""

from __future__ import annotations

import os
from pathlib import Path

from clsim.data.facts import CAPTIONED, FACTS
from clsim.utils.files import from_home

NAMES = tuple(FACTS)
"""Data sets that :func:`~clsim.data.load_dataset` knows by name, beside ``folder:PATH``."""
CAPTION_NAMES = tuple(CAPTIONED)
"""Data sets that :func:`~clsim.data.load_captions` knows by name, beside ``captions:PATH``."""


def data_root() -> Path:
    """Where data sets live: ``$CLSIM_DATA``, else ``~/.cache/clsim/data``."""
    given = os.environ.get("CLSIM_DATA")
    return from_home(given or "~/.cache/clsim/data", "CLSIM_DATA")
