"""Floating-point operations of the steps of a session."""

from __future__ import annotations

from collections.abc import Callable

from clsim.utils.flops import CountFlops

MEASURED = 2
"""Steps of each size of batch in which operations are counted; what a model caches, it computes in the first."""


class FlopTally:
    """Sum of the operations of many steps; they are counted in two steps of each size of batch.

    Every further step counts as the second one of its size. Counting costs a step some milliseconds and changes no
    result. A compiled or recorded step, or a step of several processes, cannot be counted.

    Attributes:
        total: Number of operations so far; None if a step could not be counted.

    Example:
        >>> import torch
        >>> tally = FlopTally()
        >>> for size in (4, 4, 4, 2):
        ...     tally.run(size, lambda: torch.ones(size, 3) @ torch.ones(3, 1), countable=True)
        >>> tally.total
        84

    """

    def __init__(self) -> None:
        self.total: int | None = 0
        self._counted: dict[int, list[int]] = {}

    def begin(self) -> None:
        """Begin a session."""
        self.total = 0
        self.forget()

    def forget(self) -> None:
        """Count the next steps again, since the model is another one."""
        self._counted = {}

    def run(self, size: int, step: Callable[[], object], *, countable: bool) -> None:
        """Run a step and add its operations.

        Args:
            size: Number of images of its batch.
            step: Function that runs it.
            countable: Whether the model runs operation by operation in this process.

        """
        if self.total is None or not countable:
            self.total = None
            step()
            return
        counted = self._counted.setdefault(size, [])
        if len(counted) < MEASURED:
            with CountFlops() as now:
                step()
            counted.append(now.flops)
        else:
            step()
        self.total += counted[-1]
