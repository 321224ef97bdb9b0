"""Which classes arrive in which session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from clsim.data import DataSet
from clsim.errors import UserError

ClassOrder = str | Mapping[str, int] | Sequence[int] | None
"""``natural`` (or ``None``), ``{"seed": n}`` for a drawn order, or the ids in order of arrival."""


def arriving_classes(
    dataset: DataSet, base_classes: int, ways: int, sessions: int | None, class_order: ClassOrder
) -> list[list[int]]:
    """The class ids new in every session: ``base_classes`` in the first, ``ways`` in each later one.

    Args:
        dataset: what they are classes of.
        base_classes: of session 0.
        ways: of each later session.
        sessions: after the base session; ``None``: as many as use up every class.
        class_order: in which they arrive.

    Raises:
        UserError: the classes do not divide up, or there are not so many.

    """
    count = len(dataset.class_names)
    order = arrival_order(count, class_order)
    left = count - base_classes
    if left < 0:
        raise UserError(f"{base_classes} base classes asked of {dataset.name}, which has {count}")
    if sessions is None:
        if left % ways:
            raise UserError(
                f"{count} classes do not divide into {base_classes} base classes and sessions of {ways}: "
                f"{left % ways} would be left over",
                fix="change base_classes or ways, or set sessions to leave the rest out on purpose",
            )
        sessions = left // ways
    elif base_classes + ways * sessions > count:
        raise UserError(f"{base_classes} + {sessions} x {ways} classes asked of {dataset.name}, which has {count}")
    ends = [base_classes + ways * session for session in range(sessions + 1)]
    return [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def arrival_order(count: int, class_order: ClassOrder) -> list[int]:
    """Class ids in order of arrival; a drawn order comes from a generator of its own.

    Raises:
        UserError: it is no order of all classes; ``drawn`` is for scenarios, which have seeds to draw by.
    """
    if class_order is None or class_order == "natural":
        return list(range(count))
    if isinstance(class_order, Mapping):
        generator = torch.Generator().manual_seed(class_order["seed"])
        return [int(label) for label in torch.randperm(count, generator=generator)]
    if isinstance(class_order, str):
        fix = 'write class_order={"seed": SEED}, or "natural"'
        raise UserError(f"class_order: '{class_order}' names no seed to draw by", fix=fix)
    order = [int(label) for label in class_order]
    if sorted(order) != list(range(count)):
        raise UserError(f"class_order must name each of the {count} classes once, 0 to {count - 1}")
    return order
