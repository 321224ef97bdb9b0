"""Downloads that fail within seconds if there is no network."""

from __future__ import annotations

import hashlib
import socket
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from clsim.utils.files import atomic

PROBE_SECONDS = 2.0
"""Time limit for a connection test."""
STALL_SECONDS = 15.0
"""Time limit for a transfer without progress."""


def reachable(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Return whether the host of ``url``, or its proxy, accepts a connection within ``seconds``."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    answered = threading.Event()

    def probe() -> None:
        try:
            with socket.create_connection(address, seconds):
                answered.set()
        except OSError:
            pass

    # No timeout covers name resolution, so it runs in a thread.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()


@contextmanager
def connection(url: str) -> Iterator[None]:
    """Fail at once if a host is unreachable, and limit every socket inside the block to ``STALL_SECONDS``.

    Args:
        url: Address whose host is tested.

    Raises:
        ConnectionError: The host is unreachable.
    """
    if not reachable(url):
        raise ConnectionError(f"no network connection to {urlsplit(url).hostname}")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def fetch_file(url: str, path: Path, sha256: str) -> None:
    """Download a small text file with Unix line ends. The file is complete and verified, or absent.

    Args:
        url: Address of the file.
        path: Path to write to.
        sha256: Expected hash.

    Raises:
        OSError: The network or the disk failed, or the hash is wrong.
    """
    with urllib.request.urlopen(url, timeout=STALL_SECONDS) as answer:  # noqa: S310
        content = bytes(answer.read()).replace(b"\r\n", b"\n")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise OSError(f"{url} has an unexpected sha256")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path, durable=False) as temporary:
        temporary.write_bytes(content)


def fetch_archive(url: str, md5: str, root: Path, folder: str) -> None:
    """Download an archive to ``root``, unless it is there, and unpack one of its folders atomically.

    Args:
        url: Address of the archive.
        md5: Expected hash.
        root: Folder to download and unpack to.
        folder: Name of the folder in the archive.

    Raises:
        OSError: The network or the disk failed, or the hash is wrong.
    """
    from torchvision.datasets.utils import check_integrity, download_url, extract_archive

    archive = root / PurePosixPath(urlsplit(url).path).name
    if not check_integrity(archive, md5):
        with connection(url):
            try:
                download_url(url, root, archive.name, md5)
            except RuntimeError as error:  # torchvision raises it for a wrong md5
                raise OSError(f"{url}: {error}") from error
    with tempfile.TemporaryDirectory(dir=root, prefix=".unpacking-") as work:
        # The md5 was checked, so its paths are safe.
        extract_archive(archive, Path(work) / "new")
        if (root / folder).exists():
            (root / folder).rename(Path(work) / "old")
        (Path(work) / "new" / folder).rename(root / folder)
