"""Builder of class-incremental streams into which replacement models arrive."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from clsim.data.core.images import DataSet
from clsim.streams.builders.incremental import incremental
from clsim.streams.builders.order import ClassOrder
from clsim.streams.replacements import Replacement
from clsim.streams.stream import Stream
from clsim.utils.arguments import Positive, Seed, Whole, checked
from clsim.utils.errors import ArgumentError, UserError
from clsim.utils.text import describe


@checked
def poisson_arrivals(rate: Positive, sessions: Whole, seed: Seed, count: Whole) -> list[float]:
    """Return the moments of a Poisson process in ascending order, in sessions since the start of the first one.

    Waiting times are independent and exponential with mean ``1 / rate``. They come from a generator of their own, so
    the global generators do not change, and a smaller ``count`` gives the first moments of a greater one.

    Args:
        rate: Average number of arrivals in a session, above 0.
        sessions: Number of sessions of the stream.
        seed: Seed of the draw.
        count: Maximum number of moments.

    Returns:
        At most ``count`` moments in (0, sessions). 3.42 is when 42 % of session 3 is over.

    Raises:
        ArgumentError: The rate is not positive, or an argument has a wrong type.

    Example:
        >>> [round(moment, 2) for moment in poisson_arrivals(0.5, 7, seed=7, count=2)]
        [0.78, 1.11]

    """
    generator = random.Random(seed)
    moments: list[float] = []
    now = generator.expovariate(rate)
    while len(moments) < count and now < sessions:
        if now > 0:  # a waiting time of exactly 0 has probability 0, but floats can draw it
            moments.append(now)
        now += generator.expovariate(rate)
    return moments


def replacement(
    dataset: DataSet,
    *,
    base_classes: int,
    ways: int,
    sessions: int | None = None,
    images_per_class: int | None = None,
    class_order: ClassOrder = None,
    replacements: Sequence[Replacement],
) -> Stream:
    """Build a class-incremental stream into which replacement models arrive (arXiv 2405.02581).

    Args:
        dataset: Training and test images.
        base_classes: Number of classes in session 0.
        ways: Number of new classes in each later session.
        sessions: Number of sessions after the base session. ``None`` uses all classes.
        images_per_class: Number of training images of every class, see :func:`~clsim.streams.incremental`.
        class_order: Order of the classes, see :func:`~clsim.streams.incremental`.
        replacements: Replacements in any order. Those of one session give all their moments in iterations, or all
            in shares.

    Returns:
        Stream whose ``train_stream[t].replacements`` are those of session ``t``, ordered by time.

    Raises:
        UserError: See :func:`~clsim.streams.incremental`; or a replacement lies beyond the last session, two arrive
            at the same moment, or two of a session cannot be ordered.

    Example:
        >>> from torch import nn
        >>> from clsim.data.datasets.shapes import shapes
        >>> from clsim.models.replacement_model import ReplacementModel
        >>> better = Replacement(ReplacementModel("better", nn.Identity()), session=1)
        >>> stream = replacement(shapes(4, 2, 1), base_classes=2, ways=2, replacements=[better])
        >>> [[each.model.name for each in session.replacements] for session in stream.train_stream]
        [[], ['better']]

    """
    plain = incremental(
        dataset,
        base_classes=base_classes,
        ways=ways,
        sessions=sessions,
        images_per_class=images_per_class,
        class_order=class_order,
    )
    return with_replacements(plain, replacements)


def with_replacements(plain: Stream, replacements: Sequence[Replacement]) -> Stream:
    """Return a stream into which replacement models arrive.

    Args:
        plain: Stream without replacements.
        replacements: Replacements in any order.

    Raises:
        UserError: A replacement is of another type, lies beyond the last session, arrives at the same moment as
            another, or cannot be ordered with another of its session.

    """
    for index, replacement in enumerate(replacements):
        if not isinstance(replacement, Replacement):
            what = f"stream.replacements.{index}: expected a Replacement, got {describe(replacement)}"
            raise ArgumentError(what, fix="write Replacement(model, session=2)")
    ordered = sorted(replacements, key=lambda replacement: replacement.moment)
    for replacement in ordered:
        if replacement.session >= len(plain):
            raise UserError(
                f"the replacement {replacement.model.name} arrives in session {replacement.session}, "
                f"but the sessions are 0 to {len(plain) - 1}"
            )
    for first, second in pairwise(ordered):
        if first.moment == second.moment:
            pair = f"{first.model.name} and {second.model.name} of session {second.session}"
            raise UserError(f"the replacements {pair} arrive at the same moment")
    for session in range(len(plain)):
        inside = [replacement for replacement in ordered if replacement.session == session]
        if any(r.after_iterations for r in inside) and any(r.after_share for r in inside):
            what = f"the replacements of session {session} use both after_iterations and after_share"
            raise UserError(what, fix="use one of the two within a session")
    views = [session.resident for session in plain.train_stream]
    flags = {"few_shot": plain.few_shot, "cumulative": plain.cumulative}
    return Stream(plain.dataset, plain.class_blocks, views, replacements=ordered, **flags)
