"""Few-shot class-incremental learning: one large base session, then N new classes of K images each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from clsim.data import DataSet
from clsim.data.splits import draw_sessions, standard_sessions
from clsim.errors import UserError
from clsim.streams.session import ResidentView
from clsim.streams.stream import Stream


def fscil(
    dataset: DataSet,
    *,
    base_classes: int,
    ways: int,
    shots: int,
    sessions: int | None = None,
    splits: str | Mapping[str, int] = "standard",
    class_order: str | Mapping[str, int] | Sequence[int] | None = None,
) -> Stream:
    """Builds an FSCIL stream.

    Args:
        dataset: train and test images.
        base_classes: classes of session 0, which brings all their images.
        ways: new classes a session.
        shots: images of each new class.
        sessions: sessions after the base session; without it as many as use up every class.
        splits: ``standard`` reads the lists of the field (TOPIC, CEC), in their class order; ``{"draw": seed}``
            draws the shots with a generator of its own.
        class_order: ``natural``, ``{"seed": n}`` for a drawn order, or the ids in order of arrival.

    Returns:
        The stream; session 0 has ``base_classes`` classes, the others ``ways`` each.

    Raises:
        UserError: the classes do not divide up, a class has too few images, or the standard lists do not fit.

    """
    count = len(dataset.train.class_names)
    order = arrival_order(count, class_order)
    left = count - base_classes
    if sessions is None:
        if left < 0 or left % ways:
            raise UserError(
                f"{count} classes do not divide into {base_classes} base classes and sessions of {ways}: "
                f"{max(left, 0) % ways} would be left over",
                fix="change base_classes or ways, or set sessions to leave the rest out on purpose",
            )
        sessions = left // ways
    elif base_classes + ways * sessions > count:
        raise UserError(f"{base_classes} + {sessions} x {ways} classes asked of {dataset.name}, which has {count}")
    ends = [base_classes + ways * session for session in range(sessions + 1)]
    blocks = [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    if isinstance(splits, str):
        indices = standard_sessions(dataset)[: sessions + 1]
        _check_lists(dataset, indices, blocks, shots)
    else:
        indices = draw_sessions(dataset.train.labels, blocks, shots, splits["draw"])
    return Stream(dataset, blocks, [ResidentView(dataset.train, index) for index in indices])


def arrival_order(count: int, class_order: str | Mapping[str, int] | Sequence[int] | None) -> list[int]:
    """Class ids in order of arrival; a drawn order comes from a generator of its own."""
    if class_order is None or class_order == "natural":
        return list(range(count))
    if isinstance(class_order, Mapping):
        generator = torch.Generator().manual_seed(class_order["seed"])
        return [int(label) for label in torch.randperm(count, generator=generator)]
    order = [int(label) for label in class_order]
    if sorted(order) != list(range(count)):
        raise UserError(f"class_order must name each of the {count} classes once, 0 to {count - 1}")
    return order


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
