"""Models that arrive from elsewhere while a stream runs, at a given moment or at a drawn one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from clsim.arguments import Positive, Seed, Whole, checked, checked_fields
from clsim.data import DataSet
from clsim.errors import ArgumentError, UserError
from clsim.streams.incremental import class_incremental
from clsim.streams.order import ClassOrder
from clsim.streams.stream import Stream
from clsim.words import describe

if TYPE_CHECKING:
    from clsim.models.arrival import Arrival


@dataclass(frozen=True)
class Replacement:
    """A model, and the moment when it takes the place of the one in training.

    Args:
        model: the one that arrives.
        session: during which it arrives, 0 the base session.
        after_iterations: training iterations of the session that come first; 0: it arrives before the session.
        after_share: the same as a share of all iterations of the session, in [0, 1); used instead if given.

    Raises:
        ArgumentError: a negative session or number, a share outside [0, 1), or both ways of saying when.

    """

    model: Arrival
    session: Whole
    after_iterations: Whole = 0
    after_share: Annotated[float, Field(ge=0, lt=1)] | None = None

    def __post_init__(self) -> None:
        checked_fields(self)
        if not hasattr(self.model, "backbone"):
            raise ArgumentError(f"Replacement: model: expected an Arrival, got {describe(self.model)}")
        if self.after_share is not None and self.after_iterations:
            raise ArgumentError("Replacement: after_share and after_iterations exclude each other")

    @property
    def moment(self) -> tuple[int, float, int]:
        """Session, share and iterations: sorts the replacements of a stream by time."""
        return self.session, self.after_share or 0.0, self.after_iterations

    @property
    def before_session(self) -> bool:
        """Whether it arrives before the session's training begins."""
        return not self.after_iterations and not self.after_share

    def iteration(self, iterations: int) -> int:
        """How many of the session's ``iterations`` come before it; at least 1 unless it comes before the session.

        A share leaves at least one iteration to learn in, where there is more than one.
        """
        if self.after_share:
            return max(1, min(iterations - 1, round(self.after_share * iterations)))
        return self.after_iterations


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


def replacement_stream(
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
        images_per_class: see :func:`~clsim.streams.class_incremental`.
        class_order: likewise.
        replacements: in any order; within one session their moments are all iterations or all shares.

    Returns:
        The stream; ``train_stream[t].replacements`` are those of session ``t``, by time.

    Raises:
        UserError: see :func:`~clsim.streams.class_incremental`; a replacement lies beyond the last session, two
            come at the same moment, or two of a session cannot be ordered.

    """
    plain = class_incremental(
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
