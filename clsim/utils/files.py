"""Files that are complete or absent, with reproducible bytes, and their hashes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clsim.utils.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def atomic(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` if the block succeeds, and is removed otherwise.

    Args:
        path: Path of the file; its folder must exist.
        durable: Whether to flush the content to disk first. Not needed for files that can be made again.
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


def from_home(path: Path | str, where: str) -> Path:
    """Expand a leading ``~`` to the home directory.

    Most shells do not expand it after ``=``.

    Args:
        path: Path as written.
        where: Option or setting that holds the path.

    Raises:
        UserError: The user is unknown or has no home directory.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        fix = "write the full path"
        raise UserError(f"there is no home directory for {Path(path).parts[0]!r}", where=where, fix=fix) from error


def locked(path: Path, *, wait: bool = False) -> int:
    """Lock a file and return its descriptor; the lock ends with the process.

    Args:
        path: Path of the lock file, which is created.
        wait: Whether to wait until another process releases it.

    Raises:
        BlockingIOError: Another process holds the lock.
    """
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the holder has just removed the file; lock the new one


def unlock(path: Path, descriptor: int) -> None:
    """Remove a lock file and release its lock."""
    path.unlink(missing_ok=True)
    os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def save_tensors(path: Path, tensors: Mapping[str, Tensor], info: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file atomically; equal content gives equal bytes.

    Args:
        path: Path of the file; its folder must exist.
        tensors: Tensors by name, on any device.
        info: Metadata for the header of the file.

    Raises:
        OSError: The file could not be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic(path) as temporary:
        try:
            save_file(_unshared(tensors), temporary, dict(info) if info else None)
        except SafetensorError as error:  # raised for a full disk
            raise OSError(str(error)) from error
        if info:  # safetensors writes metadata in an order that varies between processes
            _sort_header(temporary)


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return CPU tensors with separate storage; safetensors refuses views and shared storage."""
    seen: set[int] = set()
    found = {}
    for name, tensor in tensors.items():
        local = tensor.detach().cpu().contiguous()
        unshared = local.untyped_storage().nbytes() == local.nbytes and local.data_ptr() not in seen
        found[name] = local if unshared else local.clone()
        seen.add(local.data_ptr())
    return found


def _sort_header(path: Path) -> None:
    with path.open("r+b") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) <= length:  # the same length, up to trailing blanks
            stream.seek(8)
            stream.write(text.ljust(length))
