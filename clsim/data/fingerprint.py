"""Fingerprints of what files hold, so that decoded images are used again only for the very same content.

Every file is read and hashed once. The hashes are kept beside the decoded images and believed as long as size,
inode and both time stamps of every file stay as they were. An unpacker or a copying tool can set the time of
modification; the time of change (ctime) it cannot. A data set that was moved, or whose rights were changed, is
hashed again but not decoded again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from clsim.data.cache import Array, cached

DIGEST_BYTES = 16
BLOCK = 1 << 20
FRESH_NS = 2 * 10**9
"""A file changed so shortly ago may change again within one tick of its clock: its hash is not kept."""


def stamp_of(stat: os.stat_result) -> str:
    """Return a text that changes whenever a file does."""
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}"


def fingerprints(paths: Sequence[Path], key: str, cache: Sequence[Path]) -> list[str]:
    """Return a hash of the content of every file, in this order.

    Args:
        paths: Files; one that cannot be read has the hash of nothing, and is named by whoever decodes it.
        key: Text that differs if the stamp of any file does.
        cache: Folders that keep the hashes.
    """
    hashes = _hash_all(paths) if _is_fresh(paths) else cached(key, lambda: _hash_all(paths), cache)
    return [row.tobytes().hex() for row in hashes]


def _hash_all(paths: Sequence[Path]) -> Array:
    with ThreadPoolExecutor() as pool:  # hashing lets go of the interpreter
        digests = b"".join(pool.map(_hash, paths, chunksize=64))
    return np.frombuffer(digests, np.uint8).reshape(len(paths), DIGEST_BYTES)


def _hash(path: Path) -> bytes:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except (OSError, ValueError):
        return bytes(DIGEST_BYTES)
    return digest.digest()


def _is_fresh(paths: Iterable[Path]) -> bool:
    newest = max((changed for path in paths if (changed := _changed_ns(path))), default=0)
    return time.time_ns() - newest < FRESH_NS


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_ctime_ns
    except (OSError, ValueError):
        return 0
