"""Fingerprints of file contents, so that a cached array is used only for the same content.

Every file is read and hashed once. The hashes are cached and trusted while size, inode and both time stamps of every
file stay the same. Tools that unpack or copy can set the modification time, but not the change time (ctime). A data
set that was moved, or whose permissions changed, is hashed again but not decoded again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from clsim.data.io.cache import Array, cached

DIGEST_BYTES = 16
BLOCK = 1 << 20
FRESH_NS = 2 * 10**9
"""Age below which a hash is not cached: the file may change again within one tick of the clock."""


def stamp_of(stat: os.stat_result) -> str:
    """Return a string that changes whenever the file does."""
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}"


def fingerprints(paths: Sequence[str], stamps: Sequence[str], key: str, cache: Sequence[Path]) -> list[str]:
    """Return a hash of the content of every file, in this order.

    Args:
        paths: Paths of the files. An unreadable file gets a hash of zeros, and decoding it reports the error.
        stamps: Stamps of the files; see :func:`stamp_of`.
        key: Cache key that differs if any stamp or path does.
        cache: Folders of the cache.
    """
    hashes = _hash_all(paths) if _is_fresh(stamps) else cached(key, lambda: _hash_all(paths), cache)
    text, width = np.asarray(hashes).tobytes().hex(), 2 * DIGEST_BYTES
    return [text[start : start + width] for start in range(0, len(text), width)]


def _hash_all(paths: Sequence[str]) -> Array:
    with ThreadPoolExecutor() as pool:  # hashing releases the GIL
        digests = b"".join(pool.map(_hash, paths, chunksize=64))
    return np.frombuffer(digests, np.uint8).reshape(len(paths), DIGEST_BYTES)


def _hash(path: str) -> bytes:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        with Path(path).open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except (OSError, ValueError):
        return bytes(DIGEST_BYTES)
    return digest.digest()


def _is_fresh(stamps: Iterable[str]) -> bool:
    newest = max((int(stamp.split(":")[2]) for stamp in stamps), default=0)
    return time.time_ns() - newest < FRESH_NS
