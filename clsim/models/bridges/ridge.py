"""Affine maps by ridge regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, MinLen
from torch import Tensor

from clsim.models.bridges.affine import AffineBridge, AffineMap, about_means, squared_error
from clsim.models.bridges.moments import Moments

PENALTIES = (1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Default candidates of the penalty, relative to the mean variance of a source dimension."""


class _Solver:
    """Normal equations about the means, decomposed once for all penalties."""

    def __init__(self, moments: Moments) -> None:
        centered = moments.centered
        self.moments = moments
        values, self._vectors = torch.linalg.eigh(centered.source)
        self._values = values.clamp_min(0)
        self._projected = self._vectors.T @ centered.cross

    @property
    def scale(self) -> float:
        """Mean eigenvalue: the unit of relative penalties."""
        return float(self._values.mean())

    def __call__(self, penalty: float) -> AffineMap:
        values = self._values + penalty
        # Directions without variance get weight 0, as by the pseudo-inverse.
        smallest = float(values.max()) * len(values) * torch.finfo(values.dtype).eps
        inverse: Tensor = torch.where(values > smallest, 1 / values.clamp_min(1e-300), 0.0)
        return about_means(self._vectors @ (inverse[:, None] * self._projected), self.moments)


def ridge_map(moments: Moments, penalty: float) -> AffineMap:
    r"""Return the affine map with the least penalized squared error, in closed form.

    .. math:: \min_{W, b} \sum_i \lVert x_i W + b - y_i \rVert^2 + \lambda \lVert W \rVert_F^2

    The translation is not penalized. Without a penalty, the result is the least-squares map of least norm.

    Args:
        moments: Moments of the pairs.
        penalty: Penalty :math:`\lambda`, at least 0.

    Example:
        >>> from clsim.models.bridges.moments import moments_of
        >>> pairs = moments_of(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]]))
        >>> ridge_map(pairs, 0.0).weight.item(), ridge_map(pairs, 2.0).weight.item()
        (2.0, 1.0)

    """
    return _Solver(moments)(penalty)


@dataclass
class Ridge(AffineBridge):
    """Affine map by ridge regression; the penalty with the least squared error on validation pairs wins.

    Args:
        side: Side that is mapped.
        penalties: Candidates of the penalty, relative to the mean eigenvalue of the source's scatter matrix.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> new = torch.randn(100, 3)
        >>> bridge = Ridge().fit(old=2 * new + 1, new=new)
        >>> bridge.transform(torch.ones(1, 3)).round(decimals=2)
        tensor([[3., 3., 3.]])

    """

    name: ClassVar[str] = "ridge"
    chooses: ClassVar[bool] = True

    penalties: Annotated[tuple[Annotated[float, Ge(0)], ...], MinLen(1)] = PENALTIES

    def map_of(self, moments: Moments, validation: Moments | None) -> AffineMap:
        """Return the map; without validation moments, the fitted pairs choose the least penalty."""
        solve = _Solver(moments)
        candidates = [solve(penalty * solve.scale) for penalty in self.penalties]
        return min(candidates, key=lambda found: squared_error(found, validation or moments))
