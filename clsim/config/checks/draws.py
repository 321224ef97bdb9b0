"""Rules of ``draws:``: the stream has shots to draw, and the figures can be repeated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clsim.streams.kinds import KINDS
from clsim.streams.rules import session_count
from clsim.utils.issues import Finding


def check_draws(draws: object, stream: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings of the raw value.

    Args:
        draws: Number of draws; None: none.
        stream: Block ``stream``.
        evaluation: Block ``evaluation``.

    """
    if draws is None:
        return
    kind = stream.get("kind")
    if kind in KINDS and kind != "fscil":
        what = f"draws: a stream of kind {kind} has no shots to draw"
        yield Finding(("draws",), what, "leave it out, or use a stream of kind fscil")
    elif session_count(stream) == 1:
        yield Finding(("draws",), "draws: there is no session with few shots", "raise stream.sessions, or leave it out")
    if evaluation.get("compatibility") is not None:
        what = "draws: versions of the model are not compared over draws"
        fix = "leave evaluation.compatibility out, or run single draws by stream.splits: {draw: SEED}"
        yield Finding(("draws",), what, fix)
