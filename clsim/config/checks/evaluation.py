"""Rules of ``evaluation:``: eval sets have enough images, and criteria are known and fit the stream."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from clsim.config.discovery import find_metric
from clsim.config.evaluation import (
    CRITERIA,
    CRITERION,
    HELD_OUT,
    OF_CLASSES,
    PAIR_CRITERION,
    STREAM,
)
from clsim.data.facts import facts_of
from clsim.streams.kinds import CAPTION_KINDS
from clsim.streams.rules import check_dataset, class_count
from clsim.utils.errors import UserError
from clsim.utils.issues import Finding, KeyPath, whole
from clsim.utils.text import suggestion

CHOICES = "nearest_class_mean, map, r_precision, cmc@K or ndcg@K"
BLOCK: KeyPath = ("evaluation", "compatibility")


def check_evaluation(evaluation: Mapping[str, Any], stream: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings of the raw blocks."""
    given, service = evaluation.get("compatibility"), evaluation.get("service")
    yield from _metrics(evaluation.get("metrics"))
    if stream.get("kind") in CAPTION_KINDS:
        yield from _of_pairs(given if isinstance(given, Mapping) else {}, service)
        return
    if isinstance(given, Mapping):
        yield from check_dataset((*BLOCK, "images"), given.get("images"), (STREAM, HELD_OUT))
        yield from _held_out(given, stream)
        yield from _enough(given, stream)
        yield from _criterion(given)
        yield from _meets_itself(given, service if isinstance(service, Mapping) else {})
    elif given is None and isinstance(service, Mapping):
        what = "evaluation.service: needs evaluation.compatibility, whose images are its queries and gallery"
        yield Finding(("evaluation", "service"), what, "write compatibility: {images: stream}, or the like")


def _metrics(names: object) -> Iterator[Finding]:
    """Yield a finding for every metric file that is missing or has no ``build``. Files are parsed, not run."""
    for index, name in enumerate(names if isinstance(names, list) else []):
        if not isinstance(name, str):
            continue  # the schema reports it
        path: KeyPath = ("evaluation", "metrics", index)
        try:
            file = find_metric(name)
            functions = [node.name for node in ast.parse(file.read_bytes()).body if isinstance(node, ast.FunctionDef)]
        except UserError as error:
            fix = "name the file of a custom metric, for instance ./mine.py; clsim's metrics are always measured"
            yield Finding(path, f"evaluation.metrics: {name}: {error.what}", error.fix or fix)
        except (OSError, SyntaxError, ValueError, RecursionError) as error:
            yield Finding(path, f"evaluation.metrics: {name} cannot be read: {type(error).__name__}: {error}")
        else:
            if "build" not in functions:
                what = f"evaluation.metrics: {name} has no function build()"
                yield Finding(path, what, "write def build(stream) that returns an Avalanche PluginMetric, or several")


def _of_pairs(given: Mapping[str, Any], service: object) -> Iterator[Finding]:
    """Yield the findings of a stream of captions, whose test images and texts query each other."""
    if given.get("images", STREAM) != STREAM:
        what = f"{_dotted('images')}: on a stream of kind text_upgrade only the stream's own images have captions"
        yield Finding((*BLOCK, "images"), what, f"write images: {STREAM}")
    for key in OF_CLASSES:
        if key in given:
            yield Finding(
                (*BLOCK, key), f"{_dotted(key)}: has no meaning on a stream of kind text_upgrade", "remove it"
            )
    names = {(*BLOCK, "criterion"): given.get("criterion", "nearest_class_mean") if given else None, **_also(given)}
    for path, name in names.items():
        if isinstance(name, str) and not PAIR_CRITERION.fullmatch(name):
            at = path if path[-1] != "criterion" or "criterion" in given else BLOCK
            key = ".".join(map(str, path))
            what = f"{key}: expected recall@K on a stream of kind text_upgrade, got the string '{name}'"
            yield Finding(at, what, "write for instance recall@1")
    if isinstance(service, Mapping) and service.get("criterion", "cmc@1") != "cmc@1":
        what = "evaluation.service.criterion: images with captions have no classes, and no means of classes"
        yield Finding(("evaluation", "service", "criterion"), what, "write criterion: cmc@1: the nearest image")


def _held_out(given: Mapping[str, Any], stream: Mapping[str, Any]) -> Iterator[Finding]:
    facts, classes = facts_of(stream.get("dataset")), class_count(stream)
    if given.get("images") == HELD_OUT and facts and classes is not None and classes >= facts.classes:
        what = f"{_dotted('images')}: all {facts.classes} classes of {stream['dataset']} come in the stream"
        fix = "set stream.sessions to leave some out, or name another data set"
        yield Finding((*BLOCK, "images"), what, fix)


def _enough(given: Mapping[str, Any], stream: Mapping[str, Any]) -> Iterator[Finding]:
    name, asked = given.get("images"), whole(given, "images_per_class")
    name = stream.get("dataset") if name in (STREAM, HELD_OUT) else name
    facts = facts_of(name)
    if not (facts and asked):
        return
    least = {"train": facts.train_per_class, "test": facts.test_per_class}
    for part in dict.fromkeys((given.get("query", "test"), given.get("gallery", "train"))):
        if isinstance(part, str) and asked > least.get(part, asked):
            images = f"a class of {name} may have only {least[part]} {part} images"
            yield Finding((*BLOCK, "images_per_class"), f"{_dotted('images_per_class')}: {asked}, but {images}")


def _criterion(given: Mapping[str, Any]) -> Iterator[Finding]:
    for path, name in {(*BLOCK, "criterion"): given.get("criterion"), **_also(given)}.items():
        if isinstance(name, str) and PAIR_CRITERION.fullmatch(name):
            what = f"{'.'.join(map(str, path))}: {name} is between images and captions, which this stream has not"
            yield Finding(path, what, "write cmc@K, or a stream of kind text_upgrade")
        elif isinstance(name, str) and not CRITERION.fullmatch(name):
            what = f"{'.'.join(map(str, path))}: expected {CHOICES}, got the string '{name}'"
            yield Finding(path, what, suggestion(name, CRITERIA))


def _meets_itself(given: Mapping[str, Any], service: Mapping[str, Any]) -> Iterator[Finding]:
    """A query that is part of a class mean finds itself there; nearest items leave it out."""
    parts = given.get("query", "test"), given.get("gallery", "train")
    if parts[0] != parts[1] or parts[0] not in ("train", "test"):
        return
    criteria: dict[KeyPath, object] = {
        BLOCK: given.get("criterion", "nearest_class_mean"),
        ("evaluation", "service"): service.get("criterion", "cmc@1"),
        **_also(given),
    }
    for block, criterion in criteria.items():
        if criterion == "nearest_class_mean":
            at = (*block, "criterion") if block[-1] == "service" or (block == BLOCK and "criterion" in given) else block
            what = f"{'.'.join(map(str, at))}: with nearest_class_mean each query meets itself in its class's mean"
            fix = f"query and gallery are both {parts[0]}: set one to the other part, or choose cmc@1"
            yield Finding(at, what, fix)


def _also(given: Mapping[str, Any]) -> dict[KeyPath, object]:
    """The further criteria, by where they stand."""
    also = given.get("also")
    return {(*BLOCK, "also", index): name for index, name in enumerate(also)} if isinstance(also, list) else {}


def _dotted(key: str) -> str:
    return ".".join(map(str, (*BLOCK, key)))
