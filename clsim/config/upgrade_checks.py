"""What must hold in a ``stream:`` of upgrades: every session brings something, and the data set has it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from clsim.config.finding import Finding, check_model, facts_of
from clsim.config.yaml_lines import KeyPath
from clsim.data.facts import Facts

CLASSES: KeyPath = ("stream", "classes")
IMAGES: KeyPath = ("stream", "images_per_class")
LOAD: KeyPath = ("stream", "load")


def check_upgrades(stream: Mapping[str, Any], models: Collection[str]) -> Iterator[Finding]:
    """Every finding of the raw block beyond those of any stream.

    Args:
        stream: the block.
        models: the names in the scenario's ``models:``.
    """
    yield from _load(stream, models)
    yield from check_sessions(stream, facts_of(stream.get("dataset")))


def check_sessions(stream: Mapping[str, Any], facts: Facts | None) -> Iterator[Finding]:
    """Every finding of the classes and images of the sessions, as far as the data set is known."""
    name = stream.get("dataset")
    classes, images = _counts(stream.get("classes")), _counts(stream.get("images_per_class"))
    for session, count in enumerate(classes):
        if facts and count > facts.classes:
            what = f"stream.classes: {count} classes of {name}, which has {facts.classes} classes"
            yield Finding((*CLASSES, session), what)
    if images and classes and len(images) != len(classes):
        what = f"stream.images_per_class: {len(images)} numbers for {len(classes)} sessions"
        yield Finding(IMAGES, what, "write one number for all sessions, or one for each")
        return
    for session, count in enumerate(images):
        if facts and count > facts.train_per_class:
            least = f"a class of {name} may have only {facts.train_per_class} training images"
            what = f"stream.images_per_class: {count} images of every class, but {least}"
            yield Finding((*IMAGES, session), what)
    for session in range(1, len(classes)):
        fewer = [
            (path, key)
            for path, key, counts in ((CLASSES, "classes", classes), (IMAGES, "images_per_class", images))
            if counts and counts[session] < counts[session - 1]
        ]
        for path, key in fewer:
            what = f"stream.{key}: session {session} has fewer than the one before"
            yield Finding((*path, session), what, "an upgrade knows what its predecessor knew, and more")
        same_images = not images or images[session] == images[session - 1]
        if not fewer and classes[session] == classes[session - 1] and same_images:
            what = f"stream.classes: session {session} brings nothing that the one before did not have"
            yield Finding((*CLASSES, session), what, "add classes, or give images_per_class a number for each session")


def _load(stream: Mapping[str, Any], models: Collection[str]) -> Iterator[Finding]:
    given, classes = stream.get("load"), stream.get("classes")
    if not isinstance(given, list):
        return
    if isinstance(classes, list) and len(given) != len(classes):
        what = f"stream.load: {len(given)} given for {len(classes)} sessions"
        yield Finding(LOAD, what, "write one for each session, null for a model that is to be trained")
    for session, name in enumerate(given):
        yield from check_model((*LOAD, session), name, models)


def _counts(value: object) -> list[int]:
    """The list, if it is one of whole numbers."""
    if isinstance(value, list) and all(type(count) is int for count in value):
        return value
    return []
