"""Rules of a ``stream:`` of image-text models: known models, and a data set with captions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clsim.config.checks.models import check_model
from clsim.data.facts import CAPTIONED, CAPTIONS, FACTS
from clsim.streams.rules import too_few_pairs
from clsim.utils.issues import Finding, whole
from clsim.utils.text import suggestion

CLIPS = ("clip", "open_clip", "checkpoint")
"""Kinds of ``models:`` that may have a text tower; of a checkpoint only the file shows it."""


def check_text_upgrades(stream: Mapping[str, Any], models: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings of the raw block.

    Args:
        stream: Block ``stream``.
        models: Block ``models``.

    """
    name = stream.get("dataset")
    yield from _dataset(name)
    facts, pairs = CAPTIONED.get(name) if isinstance(name, str) else None, whole(stream, "pairs")
    if facts and pairs and pairs > facts.train:
        yield Finding(("stream", "pairs"), f"stream.pairs: {too_few_pairs(pairs, str(name), facts.train)}")
    given = stream.get("load")
    for session, model in enumerate(given if isinstance(given, list) else []):
        path = ("stream", "load", session)
        yield from check_model(path, model, models)
        recipe = models.get(model) if isinstance(model, str) else None
        kind = recipe.get("kind") if isinstance(recipe, Mapping) else None
        if isinstance(kind, str) and kind not in CLIPS:
            what = f"stream.load.{session}: {model} is a model of kind {kind} and has no text tower"
            yield Finding(path, what, f"kinds that do: {', '.join(CLIPS)}")


def _dataset(name: object) -> Iterator[Finding]:
    path = ("stream", "dataset")
    if not isinstance(name, str) or name in CAPTIONED:
        return
    if name.startswith(CAPTIONS):
        if not name.removeprefix(CAPTIONS).strip():
            yield Finding(path, "captions: names no path", f"write {CAPTIONS}PATH")
        return
    known = f"sets of images with captions: {', '.join(CAPTIONED)}, {CAPTIONS}PATH"
    if name in FACTS:
        yield Finding(path, f"stream.dataset: {name} has classes and no captions", known)
        return
    what = f"stream.dataset: there is no set of images with captions '{name}'"
    yield Finding(path, what, suggestion(name, [*CAPTIONED, f"{CAPTIONS}PATH"]) or known)
