"""Rules of ``replacements:``: known models, at different moments within the stream."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from clsim.config.checks.models import check_model
from clsim.utils.issues import Finding, KeyPath, whole

PLACE: KeyPath = ("stream", "replacements")


def check_replacements(given: object, models: Collection[str], sessions: int | None) -> Iterator[Finding]:
    """Yield the findings of the raw value of ``stream.replacements``.

    Args:
        given: List of replacements, or block that draws them.
        models: Names in the block ``models``.
        sessions: Number of sessions; ``None`` if it depends on data that is not loaded.
    """
    if isinstance(given, list):
        seen: dict[tuple[int, int], int] = {}
        for index, item in enumerate(given):
            if isinstance(item, Mapping):
                yield from check_model((*PLACE, index, "model"), item.get("model"), models)
                yield from _when(index, item)
                yield from _in_stream(index, item, sessions)
                yield from _same_moment(index, item, seen)
    elif isinstance(given, Mapping):
        yield from check_model((*PLACE, "initial"), given.get("initial"), models)
        listed = given.get("models")
        for index, name in enumerate(listed if isinstance(listed, list) else ()):
            yield from check_model((*PLACE, "models", index), name, models)


def _when(index: int, item: Mapping[str, Any]) -> Iterator[Finding]:
    path = (*PLACE, index)
    before, during, after = (item.get(key) is not None for key in ("before", "during", "after_iterations"))
    if before and (during or after):
        other = "during" if during else "after_iterations"
        fix = "write before: SESSION, or during: SESSION with after_iterations: NUMBER"
        yield Finding((*path, other), f"{_dotted(path)}: before and {other} exclude each other", fix)
    elif during and not after:
        fix = f"write after_iterations: NUMBER, or before: {item['during']} if it comes before the session"
        yield Finding(path, f"{_dotted(path)}: during without after_iterations does not say when", fix)
    elif not before and not during:
        fix = "write before: SESSION, or during: SESSION with after_iterations: NUMBER"
        yield Finding(path, f"{_dotted(path)}: does not say when the model arrives", fix)


def _in_stream(index: int, item: Mapping[str, Any], sessions: int | None) -> Iterator[Finding]:
    for key in ("before", "during"):
        session = whole(item, key, least=0)
        if session is not None and sessions is not None and session >= sessions:
            path = (*PLACE, index, key)
            what = f"{_dotted(path)}: there is no session {session}"
            yield Finding(path, what, f"the sessions are 0 (the base session) to {sessions - 1}")


def _same_moment(index: int, item: Mapping[str, Any], seen: dict[tuple[int, int], int]) -> Iterator[Finding]:
    before, during = whole(item, "before", least=0), whole(item, "during", least=0)
    after = whole(item, "after_iterations")
    if before is not None:
        moment = (before, 0)
    elif during is not None and after is not None:
        moment = (during, after)
    else:
        return
    first = seen.setdefault(moment, index)
    if first != index:
        path = (*PLACE, index)
        what = f"{_dotted(path)}: arrives at the same moment as {_dotted((*PLACE, first))}"
        yield Finding(path, what, "the first would be replaced before it learns: remove it, or move one of them")


def _dotted(path: KeyPath) -> str:
    return ".".join(map(str, path))
