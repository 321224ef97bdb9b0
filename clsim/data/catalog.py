"""Every data set by name: load it, say where it stands, fetch it, check it."""

from __future__ import annotations

from pathlib import Path

from clsim.data import cifar
from clsim.data.images import DataSet
from clsim.errors import DataMissing


def load(name: str, *, image_size: int | None, root: Path, download: bool) -> DataSet:
    """See :func:`clsim.data.load`."""
    if not cifar.is_here(name, root):
        raise DataMissing(f"{name} is not here", where=str(root))
    return cifar.load(name, root)
