"""Rules of ``seeds:``: the stream draws by each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clsim.config.seeds import DRAWN_BY
from clsim.streams.kinds import CLASS_KINDS, KINDS
from clsim.streams.settings import DRAWN
from clsim.utils.issues import Finding

_KINDS = {"shots": ("fscil",), "classes": CLASS_KINDS}
_NOTHING = {"shots": "draws no shots", "classes": "has no classes"}
_USUAL = {"shots": "standard", "classes": "natural"}


def check_seeds(seeds: Mapping[str, Any], stream: Mapping[str, Any], *, draws: bool = False) -> Iterator[Finding]:
    """Yield a finding for every seed without effect.

    Args:
        seeds: Block ``seeds``.
        stream: Block ``stream``.
        draws: Whether the shots are also drawn repeatedly, by seeds that follow from that of the shots.

    """
    for key, at in DRAWN_BY.items():
        if draws and key == "shots" and stream.get("kind") == "fscil":
            continue
        why = None if seeds.get(key) is None else _idle(key, at, stream)
        if why is not None:
            fix = f"write stream.{at}: {DRAWN}, or leave the seed out" if at in why else "leave the seed out"
            yield Finding(("seeds", key), f"seeds.{key}: has no effect: {why}", fix)


def _idle(key: str, at: str, stream: Mapping[str, Any]) -> str | None:
    """Return why nothing is drawn by a seed; ``None`` if something is, or if the stream is invalid."""
    kind, given = stream.get("kind"), stream.get(at, _USUAL[key])
    if kind not in KINDS:
        return None
    if kind not in _KINDS[key]:
        return f"a stream of kind {kind} {_NOTHING[key]}"
    if isinstance(given, Mapping):
        return f"stream.{at} has its own seed"
    if isinstance(given, list):
        return f"stream.{at} is a list"
    return f"stream.{at} is {given}" if given == _USUAL[key] else None
