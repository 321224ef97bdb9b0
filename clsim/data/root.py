"""Folder of all data sets, and their names."""

from __future__ import annotations

import os
from pathlib import Path

from clsim.data.facts import CAPTIONED, FACTS
from clsim.utils.files import from_home

NAMES = tuple(FACTS)
"""Names that :func:`~clsim.data.load_dataset` accepts, besides ``folder:PATH``."""
CAPTION_NAMES = tuple(CAPTIONED)
"""Names that :func:`~clsim.data.load_captions` accepts, besides ``captions:PATH``."""


def data_root() -> Path:
    """Return the folder of all data sets: ``$CLSIM_DATA``, or ``~/.cache/clsim/data``."""
    given = os.environ.get("CLSIM_DATA")
    return from_home(given or "~/.cache/clsim/data", "CLSIM_DATA")
