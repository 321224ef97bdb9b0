"""Files that are whole or not there, the same bytes for the same content, and their hashes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def atomic(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well, and is gone otherwise.

    Args:
        path: of the file; its folder must be there.
        durable: have the content on disk before it takes the place; not needed where it can be made again.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Writes a safetensors file, its metadata in the order of their keys; the library's own order is another each time.

    Args:
        path: of the file.
        tensors: contiguous, by name.
        metadata: kept in the file's header.
    """
    from safetensors.torch import save_file

    save_file(dict(tensors), path, None if metadata is None else dict(metadata))
    with path.open("r+b") as file:
        room = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(room))
        if "__metadata__" in header:
            header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) <= room:  # as long as what the library wrote but for the blanks at its end
            file.seek(8)
            file.write(text.ljust(room))


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
