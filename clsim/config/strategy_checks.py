"""Does a strategy run on a scenario's kind of stream? Imports no torch and runs no strategy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clsim.config.finding import Finding
from clsim.config.kinds import KINDS
from clsim.config.signatures import Signature, read_signature
from clsim.config.yaml_lines import KeyPath
from clsim.errors import UserErrors
from clsim.recipes import list_strategies


def check_runs_on(path: KeyPath, name: str, signature: Signature, kind: object) -> Iterator[Finding]:
    """A finding at `path` if the strategy does not run on streams of this kind; an unknown kind is told elsewhere.

    Args:
        path: where the strategy is named.
        name: of the strategy.
        signature: what its file says.
        kind: of the scenario's stream.

    """
    if kind in KINDS and kind not in signature.streams:
        suits = ", ".join(signature.streams)
        what = f"the strategy {name} does not run on a stream of kind {kind}: it runs on {suits}"
        yield Finding(path, what, _able(str(kind)))


def _able(kind: str) -> str:
    """The strategies at hand that run on a kind of stream."""
    able = [name for name, path in list_strategies().items() if kind in _streams(path)]
    return f"strategies that run on {kind}: {', '.join(able) or 'none here'}"


def _streams(path: Path) -> tuple[str, ...]:
    """What a file says it runs on; nothing where it cannot be read, which is told only of those a scenario names."""
    try:
        return read_signature(path).streams
    except UserErrors:
        return ()
