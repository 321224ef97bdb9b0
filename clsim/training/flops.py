"""Floating-point operations of the steps of a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clsim.utils.flops import CountFlops


class FlopTally:
    """Sum of the operations of many steps, by a count of one step of each size of batch in every epoch.

    A step counts as any other one of its size. The first step of a process also fills what the model caches, so its
    count gives way to that of a later step. So a resumed session has the sum of an uninterrupted one. Counting costs a
    step some milliseconds and changes no result. A compiled or recorded step, or a step of several processes, cannot be
    counted.

    Example:
        >>> import torch
        >>> tally = FlopTally()
        >>> for size in (4, 4, 4, 2):
        ...     tally.run(size, lambda: torch.ones(size, 3) @ torch.ones(3, 1), countable=True)
        >>> tally.total
        84

    """

    def __init__(self) -> None:
        self._warm = False
        self.begin()

    def begin(self) -> None:
        """Begin a session."""
        self._countable = True
        self._before = 0
        self._steps: dict[int, int] = {}
        self._flops: dict[int, tuple[int, bool]] = {}

    @property
    def total(self) -> int | None:
        """Number of operations so far; None if a step could not be counted."""
        if not self._countable:
            return None
        return self._before + sum(steps * self._flops[size][0] for size, steps in self._steps.items())

    def begin_epoch(self) -> None:
        """Count again: a plugin may change the size of the images from epoch to epoch."""
        self._before = self.total or 0
        self._steps, self._flops = {}, {}

    def forget(self) -> None:
        """Count again, since the model is another one, whose caches are empty."""
        self.begin_epoch()
        self._warm = False

    def run(self, size: int, step: Callable[[], object], *, countable: bool) -> None:
        """Run a step and add its operations.

        Args:
            size: Number of images of its batch.
            step: Function that runs it.
            countable: Whether the model runs operation by operation in this process.

        """
        self._countable &= countable
        if self._countable and not self._flops.get(size, (0, False))[1]:
            with CountFlops() as now:
                step()
            self._flops[size] = now.flops, self._warm
        else:
            step()
        self._steps[size] = self._steps.get(size, 0) + 1
        self._warm = True

    def state_dict(self) -> dict[str, Any]:
        """Return the counts of the present session."""
        sizes = [[size, steps, *self._flops.get(size, (0, False))] for size, steps in self._steps.items()]
        return {"countable": self._countable, "before": self._before, "sizes": sizes}

    def load_state_dict(self, state: Mapping[str, Any] | int | None) -> None:
        """Restore the counts of a session; earlier versions stored none, or the sum alone."""
        self.begin()
        if not isinstance(state, Mapping):
            self._countable, self._before = state is not None, state or 0
            return
        self._countable, self._before = state["countable"], state["before"]
        self._steps = {size: steps for size, steps, _, _ in state["sizes"]}
        self._flops = {size: (flops, bool(warm)) for size, _, flops, warm in state["sizes"]}
