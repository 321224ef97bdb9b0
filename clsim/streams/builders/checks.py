"""Check of builders' arguments by the rules of ``stream:`` in a scenario."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from pydantic import ValidationError, create_model
from torch import Tensor

from clsim.data.core.images import DataSet, Images
from clsim.data.facts import FACTS, Facts
from clsim.streams.rules import check_classes, check_sessions
from clsim.streams.settings import StreamBlock
from clsim.utils.arguments import refuse
from clsim.utils.errors import ArgumentError
from clsim.utils.plain import plain
from clsim.utils.schema_errors import findings, unknown_keys
from clsim.utils.text import describe

if TYPE_CHECKING:
    from clsim.streams.stream import Stream

Described = TypeVar("Described", bound=StreamBlock)


def described(block: type[Described], kind: str, dataset: DataSet, **given: Any) -> Described:
    """Return the arguments of a builder as a block of a scenario, in Python's types.

    Args:
        block: Schema of the stream.
        kind: Kind of the stream.
        dataset: Data set that the stream is cut from.
        given: Other arguments. ``class_order=None`` is the natural order.

    Raises:
        ArgumentError: An argument does not fit its type, its range or the data set.
        UserErrors: Several arguments do not fit.

    """
    if not isinstance(dataset, DataSet):
        fix = 'load one by its name: clsim.data.load_dataset("cifar100")'
        raise ArgumentError(f"stream.dataset: expected a DataSet, got {describe(dataset)}", fix=fix)
    stream = {key: plain(value) for key, value in given.items()} | {"kind": kind, "dataset": dataset.name}
    if stream.get("class_order") is None:
        stream["class_order"] = "natural"
    raw, facts = {"stream": stream}, _facts(dataset)
    model = create_model("Scenario", stream=(block, ...))
    found = [*unknown_keys(model, raw), *check_classes(stream, facts)]
    found += check_sessions(stream, facts) if kind == "upgrade" else ()
    made: Any = None
    try:
        made = model.model_validate(raw)
    except ValidationError as error:
        found = [*findings(error, raw), *found]
    refuse(found)
    return made.stream  # type: ignore[no-any-return]


def images_of(images: Images, classes: Sequence[int], least: int, count: int | None) -> Tensor:
    """Return the positions of the first ``count`` images of each class, or of all.

    Raises:
        ArgumentError: A class has fewer than ``least``.

    """
    found = images.first_of_each(classes, count)
    for label, positions in zip(classes, found, strict=True):
        if len(positions) < least:
            raise ArgumentError(f"class {label} has {len(positions)} training images, {least} are asked for")
    return torch.cat(found)


def check_tested(stream: Stream) -> Stream:
    """Return the stream, checked to have test images in each session.

    Raises:
        ArgumentError: No new class of a session has a test image.

    """
    for number, (block, session) in enumerate(zip(stream.class_blocks, stream.test_stream, strict=True)):
        if block and not len(session.resident):
            what = f"session {number} has no test image: {stream.dataset.name} has none of its {len(block)} classes"
            raise ArgumentError(what, fix="leave these classes out, or move some of their images to the test part")
    return stream


def _facts(dataset: DataSet) -> Facts:
    """Return the facts of a data set whose images are not counted; builders check their number."""
    known = FACTS.get(dataset.name)
    count = len(dataset.class_names)
    standard = known.standard if known and known.classes == count else None
    return Facts(count, sys.maxsize, sys.maxsize, dataset.train.pixels.shape[-1], standard, "")
