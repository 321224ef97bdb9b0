"""What must hold between the parts of a scenario, checked on the raw mapping.

Each check takes what it can use and is silent about the rest, so that one wrong value hides no other; types
are the schema's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from clsim.config.yaml_lines import KeyPath
from clsim.data.facts import FACTS, FOLDER, Facts
from clsim.errors import UserError
from clsim.recipes import find_scenario
from clsim.words import suggestion


class Finding(NamedTuple):
    """Something wrong at a path of the document."""

    path: KeyPath
    what: str
    fix: str | None = None


def check(raw: Mapping[str, Any], file: Path) -> Iterator[Finding]:
    """Every finding of a scenario as it was written."""
    stream = raw.get("stream")
    if isinstance(stream, Mapping):
        yield from _dataset(stream)
        facts = _facts(stream)
        if facts:
            yield from _class_range(stream, facts)
            yield from _images(stream, facts)
            yield from _order(stream, facts)
            yield from _standard_lists(stream, facts)
        yield from _published(raw, session_count(stream))
    yield from _stand_in(raw, file)


def session_count(stream: Mapping[str, Any]) -> int | None:
    """Sessions of a stream, the base session included; None where only the loaded data can tell."""
    base, ways, facts = _whole(stream, "base_classes"), _whole(stream, "ways"), _facts(stream)
    if stream.get("sessions") is not None:
        sessions = _whole(stream, "sessions", least=0)
        return None if sessions is None else sessions + 1
    if not (facts and base and ways) or base > facts.classes or (facts.classes - base) % ways:
        return None
    return (facts.classes - base) // ways + 1


def _whole(block: Mapping[str, Any], key: str, least: int = 1) -> int | None:
    value = block.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None


def _facts(stream: Mapping[str, Any]) -> Facts | None:
    name = stream.get("dataset")
    return FACTS.get(name) if isinstance(name, str) else None


def _dataset(stream: Mapping[str, Any]) -> Iterator[Finding]:
    name = stream.get("dataset")
    if not isinstance(name, str) or name in FACTS:
        return
    if name.startswith(FOLDER):
        if not name.removeprefix(FOLDER).strip():
            yield Finding(("stream", "dataset"), "folder: names no path", "write folder:PATH")
        return
    what = f"stream.dataset: there is no data set '{name}'"
    yield Finding(("stream", "dataset"), what, suggestion(name, [*FACTS, "folder:PATH"]))


def _class_range(stream: Mapping[str, Any], facts: Facts) -> Iterator[Finding]:
    base, ways, sessions = (_whole(stream, key) for key in ("base_classes", "ways", "sessions"))
    name, has = stream["dataset"], f"which has {facts.classes} classes"
    if base is None:
        return
    if base > facts.classes:
        yield Finding(("stream", "base_classes"), f"stream.base_classes: {base} classes of {name}, {has}")
    elif ways and sessions and base + ways * sessions > facts.classes:
        asked = f"{base} + {sessions} x {ways} = {base + ways * sessions} classes of {name}, {has}"
        fix = f"at most {(facts.classes - base) // ways} sessions of {ways} fit after {base} base classes"
        yield Finding(("stream", "sessions"), f"stream.sessions: {asked}", fix)
    elif ways and stream.get("sessions") is None and (facts.classes - base) % ways:
        left = (facts.classes - base) % ways
        over = f"leave {left} of {facts.classes} classes over"
        what = f"stream.ways: after {base} base classes sessions of {ways} {over}"
        fit = [str(n) for n in range(1, facts.classes - base + 1) if (facts.classes - base) % n == 0]
        fix = f"no class is dropped in silence: set sessions, or ways to one of {', '.join(fit[:12])}"
        yield Finding(("stream", "ways"), what, fix)


def _images(stream: Mapping[str, Any], facts: Facts) -> Iterator[Finding]:
    shots = _whole(stream, "shots")
    if shots and shots > facts.train_per_class:
        least = f"a class of {stream['dataset']} may have only {facts.train_per_class} training images"
        yield Finding(("stream", "shots"), f"stream.shots: {shots} shots, but {least}")


def _order(stream: Mapping[str, Any], facts: Facts) -> Iterator[Finding]:
    order = stream.get("class_order")
    if not isinstance(order, list) or not all(type(label) is int for label in order):
        return
    path: KeyPath = ("stream", "class_order")
    for label, count in Counter(order).items():
        if not 0 <= label < facts.classes:
            what = f"stream.class_order: there is no class {label} (allowed: 0 to {facts.classes - 1})"
            yield Finding((*path, order.index(label)), what)
        elif count > 1:
            again = order.index(label, order.index(label) + 1)
            yield Finding((*path, again), f"stream.class_order: class {label} appears {count} times")
    missing = [str(label) for label in range(facts.classes) if label not in set(order)]
    if missing:
        shown = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
        one = len(missing) == 1
        yield Finding(path, f"stream.class_order: {len(missing)} class{'' if one else 'es'} missing: {shown}")


def _standard_lists(stream: Mapping[str, Any], facts: Facts) -> Iterator[Finding]:
    if stream.get("splits", "standard") != "standard":
        return
    name, path = stream["dataset"], ("stream", "splits")
    fix = "write splits: {draw: SEED} to draw the few-shot images"
    if facts.standard is None:
        yield Finding(path, f"stream.splits: there are no standard few-shot lists for {name}", fix)
        return
    for key in ("base_classes", "ways", "shots"):
        given, listed = _whole(stream, key), getattr(facts.standard, key)
        if given is not None and given != listed:
            what = f"stream.{key}: {given}, but the standard lists of {name} are for {key} {listed}"
            yield Finding(("stream", key), what, fix)
    if stream.get("class_order", "natural") not in ("natural", list(range(facts.classes))):
        what = f"stream.class_order: the standard lists of {name} are for the natural order"
        yield Finding(("stream", "class_order"), what, fix)


def _published(raw: Mapping[str, Any], sessions: int | None) -> Iterator[Finding]:
    published = raw.get("published")
    for name, row in published.items() if isinstance(published, Mapping) else ():
        accuracy = row.get("accuracy") if isinstance(row, Mapping) else None
        if sessions is not None and isinstance(accuracy, list) and len(accuracy) != sessions:
            figures = f"{len(accuracy)} figure{'' if len(accuracy) == 1 else 's'} for {sessions} sessions"
            what = f"published.{name}.accuracy: {figures} (the base session counts)"
            yield Finding(("published", name, "accuracy"), what)


def _stand_in(raw: Mapping[str, Any], file: Path) -> Iterator[Finding]:
    name = raw.get("otherwise")
    if not isinstance(name, str):
        return
    try:
        itself = find_scenario(name).resolve() == file.resolve()
    except UserError as error:
        yield Finding(("otherwise",), f"otherwise: {error.what}", error.fix)
    else:
        if itself:
            yield Finding(("otherwise",), "otherwise: a scenario cannot stand in for itself")
