"""Files that are whole or not there, the same bytes for the same content, and their hashes."""

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


def from_home(path: Path | str, where: str) -> Path:
    """Return a path whose leading ``~`` is a home directory, as in a shell.

    Shells expand it at the start of a word, and most of them not behind ``=``.

    Args:
        path: Path as it was written.
        where: Option or setting that it is the value of.

    Raises:
        UserError: there is no such user, or this one has no home directory.

    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        fix = "write the path out"
        raise UserError(f"no home directory is known for {Path(path).parts[0]!r}", where=where, fix=fix) from error


def locked(path: Path, *, wait: bool = False) -> int:
    """The descriptor of a lock file that no other process holds; the lock is gone with the process, however it ends.

    Args:
        path: of the file, which is made.
        wait: until another process gives it free.

    Raises:
        BlockingIOError: another process holds it.

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
        os.close(descriptor)  # its holder has just removed it


def unlock(path: Path, descriptor: int) -> None:
    """Gives free, and removes, what :func:`locked` gave."""
    path.unlink(missing_ok=True)
    os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def save_tensors(path: Path, tensors: Mapping[str, Tensor], info: Mapping[str, str] | None = None) -> None:
    """Writes a safetensors file whole or not at all; the same content gives the same bytes.

    The library keeps facts about the tensors in an order that changes from one process to the next.

    Args:
        path: of the file; its folder must be there.
        tensors: on any device.
        info: facts, kept in the file's header.

    Raises:
        OSError: it could not be written.

    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic(path) as temporary:
        try:
            save_file(_apart(tensors), temporary, dict(info) if info else None)
        except SafetensorError as error:  # its own word for a full disk
            raise OSError(str(error)) from error
        if info:
            _sort_header(temporary)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, none a part of something larger, or the same as another: both would be refused."""
    seen: set[int] = set()
    found = {}
    for name, tensor in tensors.items():
        here = tensor.detach().cpu().contiguous()
        alone = here.untyped_storage().nbytes() == here.nbytes and here.data_ptr() not in seen
        found[name] = here if alone else here.clone()
        seen.add(here.data_ptr())
    return found


def _sort_header(path: Path) -> None:
    with path.open("r+b") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) <= length:  # as long as what the library wrote but for the blanks at its end
            stream.seek(8)
            stream.write(text.ljust(length))
