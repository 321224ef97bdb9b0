"""Files of features: written once and atomically, with a checksum, memory-mapped when read."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from clsim.data.core.digests import LENGTH
from clsim.utils.files import save_tensors

SUFFIX = ".features"


class DamagedSegment(Exception):
    """A file of features differs from what was written."""


class MemorySegment:
    """Rows that could not be written to disk, for this process only.

    Args:
        digests: Digests of N images.
        rows: Their features ``(N, D)``.

    """

    def __init__(self, digests: Sequence[bytes], rows: Tensor) -> None:
        self.digests = tuple(digests)
        self.rows = rows
        self.used = True


class Segment:
    """Rows in a file. Digests are read at once, features when they are first asked for, with a check of all of them.

    Args:
        path: Path of the file.

    Raises:
        DamagedSegment: It is no whole file of features.
        FileNotFoundError: It is gone.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with safe_open(path, framework="pt") as file:
                self._digests: Tensor = file.get_tensor("digests")
                self._rows: Tensor = file.get_tensor("rows")
                self._crc32 = int((file.metadata() or {})["crc32"])
        except FileNotFoundError:
            raise
        # safetensors raises any of these for a damaged header.
        except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            raise DamagedSegment(f"{path}: {error}") from error
        count = len(self._rows)
        fits = self._digests.dtype == torch.uint8 and tuple(self._digests.shape) == (count, LENGTH)
        if not fits or self._rows.dtype != torch.float32 or self._rows.ndim != 2:
            raise DamagedSegment(f"{path}: other tensors than a file of features has")
        content = self._digests.numpy().tobytes()
        self.digests: tuple[bytes, ...] = tuple(content[at : at + LENGTH] for at in range(0, len(content), LENGTH))
        self.width = self._rows.shape[1]
        self.used = False

    @property
    def rows(self) -> Tensor:
        """Features ``(N, D)``, memory-mapped, checked once.

        Raises:
            DamagedSegment: They differ from what was written.

        """
        if not self.used and _crc32(self._digests, self._rows) != self._crc32:
            raise DamagedSegment(f"{self.path}: its checksum does not agree")
        self.used = True
        return self._rows


def write_segment(folder: Path, digests: Sequence[bytes], rows: Tensor) -> Path:
    """Write rows to a new file, whose name is a hash of its digests, and return its path.

    Two processes that write the same images write the same file.

    Args:
        folder: Folder, which must exist.
        digests: Digests of N images.
        rows: Their features ``(N, D)``, float32.

    Raises:
        OSError: It could not be written.

    """
    content = b"".join(digests)
    path = folder / f"{hashlib.sha256(content).hexdigest()[:32]}{SUFFIX}"
    table = torch.from_numpy(np.frombuffer(content, np.uint8).reshape(-1, LENGTH).copy())
    rows = rows.contiguous()
    save_tensors(path, {"digests": table, "rows": rows}, {"crc32": str(_crc32(table, rows))})
    return path


def _crc32(digests: Tensor, rows: Tensor) -> int:
    return zlib.crc32(rows.numpy().data, zlib.crc32(digests.numpy().data))
