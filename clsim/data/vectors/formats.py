"""Arrays in files of any format, by ``PATH`` or ``PATH::MEMBER``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from clsim.data.vectors.arrow import arrow_entries
from clsim.data.vectors.entry import Entries, Reader
from clsim.data.vectors.hdf5 import hdf5_entries
from clsim.data.vectors.npy import npy_entries, npz_entries
from clsim.data.vectors.run_features import run_entries
from clsim.data.vectors.safetensors_file import safetensors_entries
from clsim.data.vectors.text import text_entries
from clsim.data.vectors.vecs import vecs_entries
from clsim.utils.errors import UserError
from clsim.utils.text import suggestion

FORMATS: Mapping[str, Reader] = {
    ".npy": npy_entries,
    ".npz": npz_entries,
    ".safetensors": safetensors_entries,
    **dict.fromkeys((".fvecs", ".bvecs", ".ivecs"), vecs_entries),
    **dict.fromkeys((".hdf5", ".h5"), hdf5_entries),
    **dict.fromkeys((".parquet", ".arrow", ".feather"), arrow_entries),
    **dict.fromkeys((".txt", ".csv", ".tsv"), text_entries),
}
"""Reader of each suffix. A folder is read as a run directory."""
MEMBER = "::"
"""Mark between a path and the name of a member."""


def split_location(location: str | Path) -> tuple[Path, str | None]:
    """Return path and member of ``PATH::MEMBER``; a path that exists is never split.

    Example:
        >>> split_location("vectors.npz::old"), split_location("vectors.npy")
        ((PosixPath('vectors.npz'), 'old'), (PosixPath('vectors.npy'), None))

    """
    text = str(location)
    if MEMBER not in text or Path(text).exists():
        return Path(text), None
    path, _, member = text.rpartition(MEMBER)
    return Path(path), member


def list_arrays(path: Path) -> Entries:
    """Return the arrays of a file by name, without reading their numbers.

    Args:
        path: Path of a file in a known format, or of a run directory.

    Raises:
        UserError: The file is missing, damaged or of an unknown format, or the format's library is not installed.

    Example:
        >>> import numpy as np
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "both.npz"
        >>> np.savez(path, old=np.ones((3, 2)), new=np.ones((3, 4)))
        >>> {name: entry.shape for name, entry in list_arrays(path).items()}
        {'old': (3, 2), 'new': (3, 4)}

    """
    if not path.exists():
        raise UserError("there is no such file", where=str(path))
    if not path.is_dir() and path.suffix.lower() not in FORMATS:
        what = f"{path.suffix!r} is no known format" if path.suffix else "a file needs a suffix that names its format"
        raise UserError(what, where=str(path), fix=suggestion(path.suffix, FORMATS))
    if not path.is_dir() and not path.is_file():
        raise UserError("this is no regular file", where=str(path))
    with as_user_errors(path):
        return run_entries(path) if path.is_dir() else FORMATS[path.suffix.lower()](path)


def read_array(location: str | Path, dimensions: int, what: str = "vectors") -> NDArray[Any]:
    """Return an array of a file, memory-mapped where the format allows it.

    Args:
        location: ``PATH``, or ``PATH::MEMBER`` for a file with several arrays of that many dimensions.
        dimensions: Number of dimensions: 2 for rows, 1 for ids or labels.
        what: Content in words, for messages.

    Raises:
        UserError: The file is missing, damaged or of an unknown format, or the member is missing or ambiguous.

    """
    path, member = split_location(location)
    entries = list_arrays(path)
    fitting = [name for name, entry in entries.items() if len(entry.shape) == dimensions]
    if member is None:
        if len(fitting) != 1 or not len(entries):
            shapes = ", ".join(f"{name or 'the array'} {entry.shape}" for name, entry in list(entries.items())[:8])
            found = "several arrays" if fitting else "no array"
            fix = f"Name one as {path}{MEMBER}MEMBER." if fitting else None
            problem = f"{found} of {dimensions} dimension(s) for the {what}: {shapes or 'it is empty'}"
            raise UserError(problem, where=str(path), fix=fix)
        member = fitting[0]
    if member not in entries:
        raise UserError(f"there is no member {member!r}", where=str(path), fix=suggestion(member, entries))
    if (shape := entries[member].shape) and len(shape) != dimensions:
        problem = f"{member!r} has the shape {shape}; the {what} need {dimensions} dimension(s)"
        raise UserError(problem, where=str(path))
    with as_user_errors(path):
        return entries[member].load()


@contextmanager
def as_user_errors(path: Path) -> Iterator[None]:
    """Turn anything that a reader raises into one error that names the file.

    Readers of damaged files may fail in any way, also for lack of memory if a forged header asks for it.

    Args:
        path: Path of the file.

    Raises:
        UserError: The block raised an exception.

    """
    try:
        yield
    except UserError:
        raise
    except ModuleNotFoundError as error:
        fix = "pip install 'clsim[audit]'"
        raise UserError(f"this format needs the package {error.name}", where=str(path), fix=fix) from error
    except Exception as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise UserError(f"this file cannot be read: {lines[0]}", where=str(path)) from error
