"""The model hub asked only where it answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants

from clsim import network


@contextmanager
def cached_if_unreachable() -> Iterator[None]:
    """Inside, the hub's library looks only at what it has on disk if the hub is out of reach.

    Left alone it repeats each request with growing pauses, most of a minute in all.
    """
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not network.reachable(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
