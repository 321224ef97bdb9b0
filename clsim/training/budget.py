"""Budgets of a session: its optimization steps, divided among its epochs. Plain numbers in and out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, runtime_checkable

from clsim.utils.errors import ArgumentError


class Pass(NamedTuple):
    """Extent of one pass over a data loader.

    Attributes:
        images: Number of images.
        batches: Number of batches.
        batch_size: Number of images of a batch; the last one may have fewer.

    """

    images: int
    batches: int
    batch_size: int


@runtime_checkable
class HasExtent(Protocol):
    """Data loader that knows the extent of one pass."""

    @property
    def extent(self) -> Pass:
        """Extent of one pass."""


def epochs_of_steps(steps: int, epochs: int) -> list[int]:
    """Return the number of steps of each epoch, as equal as they can be.

    The epochs stay, so that a schedule by epochs ends with the budget. With more epochs than steps some are empty.

    Args:
        steps: Number of steps of the session.
        epochs: Number of epochs of the session.

    Example:
        >>> epochs_of_steps(10, 4), epochs_of_steps(2, 4), epochs_of_steps(5, 0)
        ([3, 2, 3, 2], [1, 0, 1, 0], [])

    """
    ends = [-(-steps * epoch // epochs) for epoch in range(epochs + 1)] if epochs else [0]
    return [end - begin for begin, end in pairwise(ends)]


def epochs_of_images(images: int, epochs: int, whole: Pass) -> list[int]:
    """Return the number of steps of each epoch until a number of images is trained.

    Every epoch begins a new pass and ends with a whole batch. The session exceeds the budget by less than a batch.

    Args:
        images: Number of images of the session, repeated ones included.
        epochs: Number of epochs of the session.
        whole: Extent of one pass.

    Example:
        >>> epochs_of_images(20, 2, Pass(images=5, batches=3, batch_size=2))
        [6, 6]
        >>> epochs_of_images(7, 2, Pass(images=5, batches=3, batch_size=2))
        [2, 2]

    """
    steps, due, trained = list[int](), 0, 0
    for quota in epochs_of_steps(images, epochs):
        due += quota
        passes, rest = divmod(max(0, due - trained), whole.images)
        batches = -(-rest // whole.batch_size)
        trained += passes * whole.images + min(batches * whole.batch_size, whole.images)
        steps.append(passes * whole.batches + batches)
    return steps


def extent_of(loader: Any, batches: int | None, batch_size: int) -> Pass:
    """Return the extent of one pass over a data loader.

    Args:
        loader: Data loader; unless it knows its extent all its batches count as full.
        batches: Number of its batches; None if it does not know.
        batch_size: Number of images of a full batch.

    Raises:
        ArgumentError: The loader has no length, so that images cannot be counted in advance.

    """
    if isinstance(loader, HasExtent):
        return loader.extent
    if not batches:
        what = f"budget: a {type(loader).__name__} without a length cannot be planned by images"
        raise ArgumentError(what, fix="write steps: instead of images:")
    return Pass(batches * batch_size, batches, batch_size)


def repeated(loader: Iterable[Any]) -> Iterator[Any]:
    """Yield the batches of one pass after the other, without end; nothing from an empty loader.

    Example:
        >>> from itertools import islice
        >>> list(islice(repeated([1, 2]), 5)), list(repeated([]))
        ([1, 2, 1, 2, 1], [])

    """
    while True:
        empty = True
        for batch in loader:
            empty = False
            yield batch
        if empty:
            return
