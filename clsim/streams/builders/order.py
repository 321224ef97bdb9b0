"""Which classes arrive in which session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from clsim.streams.settings import DRAWN, DrawnOrder, SessionsBlock
from clsim.utils.errors import ArgumentError

ClassOrder = str | Mapping[str, int] | Sequence[int] | None
"""``natural`` (or ``None``), ``{"seed": n}`` for a drawn order, or the ids in order of arrival."""


def arriving_classes(count: int, given: SessionsBlock) -> list[list[int]]:
    """Return the class ids new in every session: ``base_classes`` in the first, ``ways`` in each later one.

    Args:
        count: classes of the data set.
        given: numbers that were checked to fit it; without ``sessions`` as many as use up every class.

    Raises:
        ArgumentError: the order has no seed to draw by.

    """
    base, ways = given.base_classes, given.ways
    sessions = (count - base) // ways if given.sessions is None else given.sessions
    order = arrival_order(count, given.class_order)
    ends = [base + ways * session for session in range(sessions + 1)]
    return [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def arrival_order(count: int, class_order: str | DrawnOrder | list[int]) -> list[int]:
    """Return class ids in order of arrival; a drawn order comes from a generator of its own.

    Args:
        count: classes of the data set.
        class_order: checked to be an order of them, if it is a list.

    Raises:
        ArgumentError: it is ``drawn``, which is for scenarios: these have seeds to draw by.

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
