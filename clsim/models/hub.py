"""The model hub asked only where it answers: a machine without network must learn so in seconds, not minutes."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants


def answers(url: str, seconds: float) -> bool:
    """Whether the server answers within ``seconds``, whatever it says."""
    heard = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds):  # noqa: S310
                heard.set()
        except urllib.error.HTTPError:
            heard.set()
        except OSError:
            pass

    # A thread, because no timeout bounds the look-up of a name.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return heard.is_set()


@contextmanager
def cached_if_unreachable(seconds: float = 4.0) -> Iterator[None]:
    """Inside, the hub's library looks only at what it has on disk if the hub does not answer.

    Left alone it repeats each request with growing pauses, most of a minute in all.
    """
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not answers(constants.ENDPOINT, seconds)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
