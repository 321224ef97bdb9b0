"""Rules of a ``stream:`` of upgrades: every session adds something that the data set has."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from clsim.config.checks.models import check_model
from clsim.data.facts import facts_of
from clsim.streams.rules import check_sessions
from clsim.utils.issues import Finding, KeyPath

LOAD: KeyPath = ("stream", "load")


def check_upgrades(stream: Mapping[str, Any], models: Collection[str]) -> Iterator[Finding]:
    """Yield the findings of the raw block beyond those of any stream.

    Args:
        stream: Block ``stream``.
        models: Names in the block ``models``.
    """
    yield from _load(stream, models)
    yield from check_sessions(stream, facts_of(stream.get("dataset")))


def _load(stream: Mapping[str, Any], models: Collection[str]) -> Iterator[Finding]:
    given, classes = stream.get("load"), stream.get("classes")
    if not isinstance(given, list):
        return
    if isinstance(classes, list) and len(given) != len(classes):
        what = f"stream.load: {len(given)} models for {len(classes)} sessions"
        yield Finding(LOAD, what, "write one model for each session, null where one is trained")
    for session, name in enumerate(given):
        yield from check_model((*LOAD, session), name, models)
