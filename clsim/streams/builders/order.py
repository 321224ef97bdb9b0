"""Division of a data set's classes into sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from clsim.streams.settings import DRAWN, DrawnOrder, SessionsBlock
from clsim.utils.errors import ArgumentError

ClassOrder = str | Mapping[str, int] | Sequence[int] | None
"""Order of classes: ``natural`` (or ``None``), ``{"seed": n}`` to draw it, or a list of ids."""


def arriving_classes(count: int, given: SessionsBlock) -> list[list[int]]:
    """Return the class ids new in every session: ``base_classes`` in the first, ``ways`` in each later one.

    Args:
        count: Number of classes of the data set.
        given: Block of the stream, checked to fit the data set. Without ``sessions`` all classes are used.

    Raises:
        ArgumentError: The order is ``drawn`` but has no seed.

    """
    base, ways = given.base_classes, given.ways
    sessions = (count - base) // ways if given.sessions is None else given.sessions
    order = arrival_order(count, given.class_order)
    ends = [base + ways * session for session in range(sessions + 1)]
    return [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def arrival_order(count: int, class_order: str | DrawnOrder | list[int]) -> list[int]:
    """Return class ids in the order in which a stream brings them.

    Args:
        count: Number of classes of the data set.
        class_order: ``natural``, a seed, or a list already checked. A seed has a generator of its own, so the draw
            leaves the global generators alone.

    Raises:
        ArgumentError: The order is ``drawn``. Only scenarios may say so, since they have seeds to draw by.

    """
    if isinstance(class_order, list):
        return class_order
    if isinstance(class_order, DrawnOrder):
        generator = torch.Generator().manual_seed(class_order.seed)
        return [int(label) for label in torch.randperm(count, generator=generator)]
    if class_order == DRAWN:
        fix = 'write class_order={"seed": SEED}, or "natural"'
        raise ArgumentError(f"class_order: '{class_order}' names no seed to draw by", fix=fix)
    return list(range(count))
