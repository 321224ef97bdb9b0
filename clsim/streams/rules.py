"""Rules of any ``stream:``: classes divide up, every class has enough images, the order lists every class once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clsim.data.facts import FACTS, FOLDER, Facts, facts_of
from clsim.streams.kinds import CAPTION_KINDS, UPGRADE_KINDS
from clsim.utils.issues import Finding, KeyPath, whole
from clsim.utils.text import suggestion


def check_stream(stream: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings of the raw block; captioned data sets have checks of their own."""
    if stream.get("kind") in CAPTION_KINDS:
        return
    yield from check_dataset(("stream", "dataset"), stream.get("dataset"))
    facts = facts_of(stream.get("dataset"))
    if facts:
        yield from check_classes(stream, facts)


def check_classes(stream: Mapping[str, Any], facts: Facts) -> Iterator[Finding]:
    """Yield the findings of a block, given the classes and images of its data set."""
    yield from _class_range(stream, facts)
    yield from _images(stream, facts)
    yield from _order(stream, facts)
    if stream.get("kind") == "fscil":
        yield from _standard_lists(stream, facts)


def too_few_pairs(asked: int, name: str, found: int) -> str:
    """Return the message for a data set with too few captioned training images."""
    return f"{asked} captioned training images are asked for, {name} has {found}"


def session_count(stream: Mapping[str, Any]) -> int | None:
    """Return the number of sessions with the base session, ``None`` if it depends on data that is not loaded."""
    if stream.get("kind") in UPGRADE_KINDS:
        listed = stream.get("load" if stream["kind"] in CAPTION_KINDS else "classes")
        return len(listed) if isinstance(listed, list) and listed else None
    base, ways, facts = whole(stream, "base_classes"), whole(stream, "ways"), facts_of(stream.get("dataset"))
    if stream.get("sessions") is not None:
        sessions = whole(stream, "sessions", least=0)
        return None if sessions is None else sessions + 1
    if not (facts and base and ways) or base > facts.classes or (facts.classes - base) % ways:
        return None
    return (facts.classes - base) // ways + 1


def class_count(stream: Mapping[str, Any]) -> int | None:
    """Return the number of classes of all sessions, ``None`` if it depends on data that is not loaded."""
    if stream.get("kind") == "upgrade":
        counts = stream.get("classes")
        known = [count for count in counts if type(count) is int] if isinstance(counts, list) else []
        return max(known, default=None)
    base, ways, sessions = whole(stream, "base_classes"), whole(stream, "ways"), session_count(stream)
    return None if base is None or ways is None or sessions is None else base + ways * (sessions - 1)


def check_dataset(path: KeyPath, name: object, others: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Yield a finding at ``path`` unless ``name`` is a known data set, a folder or one of ``others``."""
    if not isinstance(name, str) or name in others:
        return
    if name.startswith(FOLDER):
        if not name.removeprefix(FOLDER).strip():
            yield Finding(path, "folder: names no path", "write folder:PATH")
        return
    if facts_of(name) is not None:
        return
    what = f"{'.'.join(map(str, path))}: there is no data set '{name}'"
    yield Finding(path, what, suggestion(name, [*others, *FACTS, "folder:PATH"]))


def _class_range(stream: Mapping[str, Any], facts: Facts) -> Iterator[Finding]:
    base, ways, sessions = (whole(stream, key) for key in ("base_classes", "ways", "sessions"))
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
        fix = f"set sessions, or set ways to one of {', '.join(fit[:12])}"
        yield Finding(("stream", "ways"), what, fix)


def _images(stream: Mapping[str, Any], facts: Facts) -> Iterator[Finding]:
    for key, images in (("shots", "shots"), ("images_per_class", "images of every class")):
        asked = whole(stream, key)
        if asked and asked > facts.train_per_class:
            least = f"a class of {stream['dataset']} may have only {facts.train_per_class} training images"
            yield Finding(("stream", key), f"stream.{key}: {asked} {images}, but {least}")


def _order(stream: Mapping[str, Any], facts: Facts) -> Iterator[Finding]:
    order = stream.get("class_order")
    if not isinstance(order, list) or not all(type(label) is int for label in order):
        return
    path: KeyPath = ("stream", "class_order")
    places: dict[int, list[int]] = {}
    for place, label in enumerate(order):
        places.setdefault(label, []).append(place)
    for label, at in places.items():
        if not 0 <= label < facts.classes:
            what = f"stream.class_order: there is no class {label} (allowed: 0 to {facts.classes - 1})"
            yield Finding((*path, at[0]), what)
        elif len(at) > 1:
            yield Finding((*path, at[1]), f"stream.class_order: class {label} appears {len(at)} times")
    missing = [str(label) for label in range(facts.classes) if label not in places]
    if missing:
        shown = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
        one = len(missing) == 1
        yield Finding(path, f"stream.class_order: {len(missing)} class{'' if one else 'es'} missing: {shown}")


def _standard_lists(stream: Mapping[str, Any], facts: Facts) -> Iterator[Finding]:
    if stream.get("splits", "standard") != "standard":
        return
    name, path = stream["dataset"], ("stream", "splits")
    fix = "write splits: drawn, or splits: {draw: SEED}, to draw the few-shot images"
    if facts.standard is None:
        yield Finding(path, f"stream.splits: there are no standard few-shot lists for {name}", fix)
        return
    for key in ("base_classes", "ways", "shots"):
        given, listed = whole(stream, key), getattr(facts.standard, key)
        if given is not None and given != listed:
            what = f"stream.{key}: {given}, but the standard lists of {name} are for {key} {listed}"
            yield Finding(("stream", key), what, fix)
    if stream.get("class_order", "natural") not in ("natural", list(range(facts.classes))):
        what = f"stream.class_order: the standard lists of {name} are for the natural order"
        yield Finding(("stream", "class_order"), what, fix)


def check_sessions(stream: Mapping[str, Any], facts: Facts | None) -> Iterator[Finding]:
    """Yield the findings of the sessions' classes and images in a stream of upgrades.

    Args:
        stream: Raw block.
        facts: Classes and images of its data set; ``None`` if unknown.

    """
    name = stream.get("dataset")
    classes, images = _counts(stream.get("classes")), _counts(stream.get("images_per_class"))
    for session, count in enumerate(classes):
        if facts and count > facts.classes:
            what = f"stream.classes: {count} classes of {name}, which has {facts.classes} classes"
            yield Finding((*_CLASSES, session), what)
    if images and classes and len(images) != len(classes):
        what = f"stream.images_per_class: {len(images)} numbers for {len(classes)} sessions"
        yield Finding(_IMAGES, what, "write one number for all sessions, or one for each")
        return
    for session, count in enumerate(images):
        if facts and count > facts.train_per_class:
            least = f"a class of {name} may have only {facts.train_per_class} training images"
            what = f"stream.images_per_class: {count} images of every class, but {least}"
            yield Finding((*_IMAGES, session), what)
    for session in range(1, len(classes)):
        fewer = [
            (path, key)
            for path, key, counts in ((_CLASSES, "classes", classes), (_IMAGES, "images_per_class", images))
            if counts and counts[session] < counts[session - 1]
        ]
        for path, key in fewer:
            what = f"stream.{key}: session {session} has fewer than the one before"
            yield Finding((*path, session), what, "an upgrade knows what its predecessor knew, and more")
        same_images = not images or images[session] == images[session - 1]
        if not fewer and classes[session] == classes[session - 1] and same_images:
            what = f"stream.classes: session {session} brings nothing that the one before did not have"
            yield Finding((*_CLASSES, session), what, "add classes, or give images_per_class a number for each session")


def _counts(value: object) -> list[int]:
    """The list, if it is a list of integers."""
    if isinstance(value, list) and all(type(count) is int for count in value):
        return value
    return []


_CLASSES: KeyPath = ("stream", "classes")
_IMAGES: KeyPath = ("stream", "images_per_class")
