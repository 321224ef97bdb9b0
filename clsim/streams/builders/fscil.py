"""Few-shot class-incremental learning: one large base session, then N new classes of K images each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from clsim.data.core.images import DataSet
from clsim.data.datasets.splits import draw_sessions, standard_sessions
from clsim.streams.builders.checks import check_tested, described
from clsim.streams.builders.order import ClassOrder, arriving_classes
from clsim.streams.session import ResidentView
from clsim.streams.settings import DRAWN, DrawnSplits, FscilStream
from clsim.streams.stream import Stream
from clsim.utils.errors import ArgumentError, UserError


def fscil(
    dataset: DataSet,
    *,
    base_classes: int,
    ways: int,
    shots: int,
    sessions: int | None = None,
    splits: str | Mapping[str, int] = "standard",
    class_order: ClassOrder = None,
    tested: bool = True,
) -> Stream:
    """Builds an FSCIL stream.

    Args:
        dataset: train and test images.
        base_classes: classes of session 0, which brings all their images.
        ways: new classes a session.
        shots: images of each new class.
        sessions: sessions after the base session; without it as many as use up every class.
        splits: ``standard`` reads the lists of the field (TOPIC, CEC), in their class order; ``{"draw": seed}``
            draws the shots with a generator of its own. (``drawn`` is for scenarios, which have seeds to draw by.)
        class_order: ``natural``, ``{"seed": n}`` for a drawn order, or the ids in order of arrival.
        tested: whether every session must have test images; a stream that is then measured on held-out training
            images needs none, see :func:`~clsim.streams.builders.validation.on_held_out`.

    Returns:
        The stream; session 0 has ``base_classes`` classes, the others ``ways`` each.

    Raises:
        UserError: an argument is none, the classes do not divide up, a class has too few training images or a session
            no test image, the standard lists do not fit, or nobody says by what seed to draw.

    """
    given = described(
        FscilStream,
        "fscil",
        dataset,
        base_classes=base_classes,
        ways=ways,
        shots=shots,
        sessions=sessions,
        splits=splits,
        class_order=class_order,
    )
    blocks = arriving_classes(len(dataset.class_names), given)
    if isinstance(given.splits, DrawnSplits):
        indices = draw_sessions(dataset.train.labels, blocks, given.shots, given.splits.draw)
    elif given.splits == DRAWN:
        fix = 'write splits={"draw": SEED}, or "standard"'
        raise ArgumentError(f"splits: '{given.splits}' names no seed to draw by", fix=fix)
    else:
        indices = standard_sessions(dataset)[: len(blocks)]
        _check_lists(dataset, indices, blocks, given.shots)
    stream = Stream(dataset, blocks, [ResidentView(dataset.train, index) for index in indices], few_shot=True)
    return check_tested(stream) if tested else stream


def _check_lists(
    dataset: DataSet, indices: Sequence[torch.Tensor], blocks: Sequence[Sequence[int]], shots: int
) -> None:
    """The lists of the field fix their classes and shots; a scenario that says otherwise is wrong."""
    remedy = "use `splits: {draw: SEED}` for other settings than the published protocol"
    if len(indices) != len(blocks):
        raise UserError(
            f"the standard lists of {dataset.name} have {len(indices)} sessions, the scenario {len(blocks)}",
            fix=remedy,
        )
    for session, (index, block) in enumerate(zip(indices, blocks, strict=True)):
        found, counts = dataset.train.labels[index].unique(return_counts=True)
        if set(found.tolist()) != set(block):
            raise UserError(
                f"session {session} of the standard lists of {dataset.name} has other classes than the scenario",
                fix=remedy,
            )
        if session and bool((counts != shots).any()):
            raise UserError(
                f"the standard lists of {dataset.name} hold {int(counts[0])} shots a class, not {shots}",
                fix=remedy,
            )
