"""Class-incremental streams into which models arrive from elsewhere."""

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
    """Moments of a Poisson process, rising, in units of sessions from the start of the first one.

    Waiting times are independent and exponential with mean ``1 / rate``, from a generator of their own: the
    global ones are left alone, and a smaller ``count`` gives the first moments of a greater one.

    Args:
        rate: arrivals a session, on average; more than 0.
        sessions: length of the stream.
        seed: of the draw.
        count: at most so many; the process ends when there is nothing left to arrive.

    Returns:
        At most ``count`` moments in (0, sessions); 3.42 is when 42 % of session 3 is over.

    Raises:
        ArgumentError: a rate that is not positive, or a number that is none.

    Example:
        >>> [round(moment, 2) for moment in poisson_arrivals(0.5, 7, seed=7, count=2)]
        [0.78, 1.11]

    """
    generator = random.Random(seed)
    moments: list[float] = []
    now = generator.expovariate(rate)
    while len(moments) < count and now < sessions:
        if now > 0:  # a waiting time of exactly 0 has no share of the probability, but can be drawn
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
    """A class-incremental stream into which models arrive (arXiv 2405.02581); the sessions carry them.

    Args:
        dataset: train and test images.
        base_classes: classes of session 0.
        ways: new classes in each later session.
        sessions: sessions after the base session; without it as many as use up every class.
        images_per_class: see :func:`~clsim.streams.incremental`.
        class_order: likewise.
        replacements: in any order; within one session their moments are all iterations or all shares.

    Returns:
        The stream; ``train_stream[t].replacements`` are those of session ``t``, by time.

    Raises:
        UserError: see :func:`~clsim.streams.incremental`; a replacement lies beyond the last session, two
            come at the same moment, or two of a session cannot be ordered.

    """
    plain = incremental(
        dataset,
        base_classes=base_classes,
        ways=ways,
        sessions=sessions,
        images_per_class=images_per_class,
        class_order=class_order,
    )
    for index, replacement in enumerate(replacements):
        if not isinstance(replacement, Replacement):
            what = f"stream.replacements.{index}: expected a Replacement, got {describe(replacement)}"
            raise ArgumentError(what, fix="write Replacement(model, session=2)")
    ordered = sorted(replacements, key=lambda replacement: replacement.moment)
    for replacement in ordered:
        if replacement.session >= len(plain):
            raise UserError(
                f"the replacement {replacement.model.name} comes in session {replacement.session}, "
                f"but the sessions are 0 to {len(plain) - 1}"
            )
    for first, second in pairwise(ordered):
        pair = f"the replacements {first.model.name} and {second.model.name} of session {second.session}"
        if first.moment == second.moment:
            raise UserError(f"{pair} come at the same moment")
    for session in range(len(plain)):
        inside = [replacement for replacement in ordered if replacement.session == session]
        if any(r.after_iterations for r in inside) and any(r.after_share for r in inside):
            raise UserError(f"the replacements of session {session} come by iterations and by shares: choose one")
    views = [session.resident for session in plain.train_stream]
    return Stream(dataset, plain.class_blocks, views, replacements=ordered)
