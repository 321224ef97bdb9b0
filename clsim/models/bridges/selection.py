"""Bridges fitted on one part of the pairs, chosen on a second and measured on a third."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from torch import Tensor
from torch.nn import functional as F

from clsim.models.bridges.moments import FitsMoments, Moments, moments_of
from clsim.models.bridges.protocols import Bridge, Pairs, Rows, Side
from clsim.models.bridges.registry import DEFAULT_BRIDGES, make_bridge
from clsim.models.bridges.rows import Subset, as_rows, check_pairs, split_positions
from clsim.utils.arguments import checked
from clsim.utils.errors import ArgumentError

Positions = np.ndarray[Any, np.dtype[np.int64]]
Score = Callable[[Bridge, Rows, Rows], float]
"""Quality of a fitted bridge on pairs ``(old, new)``; greater is better."""


@dataclass(frozen=True)
class Split:
    """Positions of the pairs for each purpose, disjoint and ascending.

    Attributes:
        fit: Pairs that the maps are fitted to.
        validation: Pairs that choose settings and the bridge.
        test: Pairs that measure, and choose nothing.

    """

    fit: Positions
    validation: Positions
    test: Positions


@dataclass(frozen=True)
class FittedBridge:
    """A fitted bridge with its scores.

    Attributes:
        bridge: Bridge.
        validation: Score on the validation pairs.
        test: Score on the test pairs.

    """

    bridge: Bridge
    validation: float
    test: float


@dataclass(frozen=True)
class FittedBridges:
    """Several bridges fitted to the same pairs.

    Attributes:
        fitted: Bridges in the order of their names as given.
        split: Pairs that served each purpose.

    """

    fitted: tuple[FittedBridge, ...]
    split: Split

    @property
    def best(self) -> FittedBridge:
        """Bridge with the greatest validation score; the first of equals."""
        return max(self.fitted, key=lambda found: found.validation)


def split_pairs(count: int, shares: tuple[float, float, float] = (0.6, 0.2, 0.2), seed: int = 0) -> Split:
    """Return a random split of pairs into those to fit, to choose and to measure.

    Args:
        count: Number of pairs.
        shares: Share of each part, with a sum of at most 1.
        seed: Seed of the split.

    Raises:
        ArgumentError: The shares are invalid, or a part is empty.

    Example:
        >>> split = split_pairs(10)
        >>> len(split.fit), len(split.validation), len(split.test)
        (6, 2, 2)

    """
    return Split(*split_positions(count, shares, seed))


def mean_cosine(bridge: Bridge, old: Rows, new: Rows) -> float:
    """Return the mean cosine of mapped rows and their targets.

    Args:
        bridge: Fitted bridge.
        old: Rows of the old model, ``(N, d)``.
        new: Rows of the new model, ``(N, D)``.

    Example:
        >>> import torch
        >>> mean_cosine(make_bridge("identity").fit(torch.eye(2), torch.eye(2)), torch.eye(2), 3 * torch.eye(2))
        1.0

    """
    source, target = (new, old) if bridge.side == "query" else (old, new)
    total, count, step = 0.0, int(source.shape[0]), 1 << 14
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        mapped: Tensor = bridge.transform(as_rows(source[part]))
        total += float(F.cosine_similarity(mapped, as_rows(target[part]).float(), dim=1).double().sum())
    return total / count


@checked
def fit_bridges(
    old: Rows,
    new: Rows,
    bridges: Sequence[str | Bridge] = DEFAULT_BRIDGES,
    *,
    split: Split | None = None,
    seed: Annotated[int, Ge(0)] = 0,
    score: Score = mean_cosine,
) -> FittedBridges:
    """Fit bridges to pairs, score them on pairs that they have not seen, and choose one.

    Settings within a bridge and the bridge itself are chosen on validation pairs. The test score takes no part in any
    choice. Bridges in closed form share one pass over the pairs.

    Args:
        old: Rows of the old model, ``(N, d)``: tensor, array, memory map or ``VectorSet``.
        new: Rows of the new model for the same items, ``(N, D)``.
        bridges: Bridges, or names of kinds with default settings.
        split: Pairs for each purpose; by default 60 %, 20 % and 20 %, drawn at random.
        seed: Seed of the default split.
        score: Quality of a bridge; the default is the mean cosine to the targets.

    Raises:
        ArgumentError: The rows are no pairs, too few or not finite, or a name is unknown.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> old = torch.randn(200, 4)
        >>> result = fit_bridges(old, old.flip(1), ["identity", "procrustes"])
        >>> result.best.bridge.name, round(result.best.test, 4)
        ('procrustes', 1.0)

    """
    check_pairs(old, new)
    if not bridges:
        raise ArgumentError("bridges: expected at least one")
    split = split or split_pairs(int(old.shape[0]), seed=seed)
    parts = [(Subset(old, part), Subset(new, part)) for part in (split.fit, split.validation, split.test)]
    fitting = _Fitting(parts[0], parts[1])
    made = [make_bridge(bridge) if isinstance(bridge, str) else bridge for bridge in bridges]
    fitted = [fitting(bridge) for bridge in made]
    return FittedBridges(
        tuple(FittedBridge(bridge, *(score(bridge, *part) for part in parts[1:])) for bridge in fitted), split
    )


class _Fitting:
    """Fits bridges to the same pairs, with one pass for all that are fitted from moments."""

    def __init__(self, pairs: Pairs, validation: Pairs) -> None:
        self._pairs = pairs
        self._validation = validation
        self._moments: dict[Side, tuple[Moments, Moments]] = {}

    def __call__(self, bridge: Bridge) -> Bridge:
        if isinstance(bridge, FitsMoments):
            return bridge.fit_moments(*self._of_side(bridge.side))
        return bridge.fit(*self._pairs, validation=self._validation)

    def _of_side(self, side: Side) -> tuple[Moments, Moments]:
        if not self._moments:
            forward = moments_of(*self._pairs), moments_of(*self._validation)
            self._moments = {"gallery": forward, "query": (forward[0].swapped, forward[1].swapped)}
        return self._moments[side]
