"""Affine maps of low rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from clsim.models.bridges.affine import AffineBridge, AffineMap, about_means
from clsim.models.bridges.moments import Moments
from clsim.models.bridges.ridge import Ridge
from clsim.utils.arguments import Count


def reduce_rank(affine: AffineMap, moments: Moments, rank: int) -> AffineMap:
    r"""Return the map of a given rank whose results are closest to those of an affine map.

    .. math:: W_r = W V_r V_r^\top, \quad V_r: \text{leading eigenvectors of } W^\top S_{xx} W

    For the least-squares map this is reduced-rank regression: the best map of that rank.

    Args:
        affine: Map of full rank.
        moments: Moments of the pairs that it was fitted to.
        rank: Rank of the result; more than the target's width changes nothing.

    Source: Izenman 1975.

    Example:
        >>> from clsim.models.bridges.moments import moments_of
        >>> rows = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> low = reduce_rank(AffineMap(torch.eye(2), torch.zeros(2)), moments_of(rows, rows), 1)
        >>> low.weight.abs()
        tensor([[1., 0.],
                [0., 0.]], dtype=torch.float64)

    """
    weight = affine.weight.double()
    _, vectors = torch.linalg.eigh(weight.T @ moments.centered.source @ weight)
    leading = vectors[:, -min(rank, vectors.shape[1]) :]
    return about_means(weight @ leading @ leading.T, moments)


@dataclass
class LowRank(AffineBridge):
    """Affine map of low rank: the ridge solution, reduced in rank.

    Args:
        side: Side that is mapped.
        rank: Rank of the matrix. The default is that of Drift-Adapter.

    Source: Drift-Adapter (arXiv 2509.23471) trains its factors; the closed form is reduced-rank regression.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> new = torch.randn(50, 4)
        >>> bridge = LowRank(rank=1).fit(old=new[:, :1] * torch.ones(3), new=new)
        >>> bridge.transform(torch.tensor([[1.0, 0.0, 0.0, 0.0]])).round(decimals=2)
        tensor([[1., 1., 1.]])

    """

    name: ClassVar[str] = "low_rank"
    chooses: ClassVar[bool] = True

    rank: Count = 64

    def map_of(self, moments: Moments, validation: Moments | None) -> AffineMap:
        """Return the map."""
        return reduce_rank(Ridge(self.side).map_of(moments, validation), moments, self.rank)
