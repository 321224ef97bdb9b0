"""Memory of files that are mapped."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray


def release(array: NDArray[Any]) -> None:
    """Let the system take back the pages of a memory map that were read; they are read again when needed.

    Without this, a process that has read a file of 2 GB holds 2 GB. Arrays in memory, and maps whose changes are not
    written to their file (``mode="c"``), are left alone.

    Args:
        array: Array, or a view of one.

    Example:
        >>> release(np.ones(3))

    """
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        if isinstance(base, np.memmap) and base.mode == "c":
            return
        base = getattr(base, "_mmap", None) if isinstance(base, np.memmap) else getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
