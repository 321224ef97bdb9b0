"""Linear maps that are orthogonal up to a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from clsim.models.bridges.affine import AffineBridge, AffineMap
from clsim.models.bridges.moments import Moments
from clsim.models.bridges.procrustes import procrustes_map
from clsim.utils.arguments import Count, NotNegative, Positive


def orthogonality_error(weight: Tensor) -> Tensor:
    r"""Return :math:`\lVert W^\top W - I \rVert_F`, over rows instead of columns if there are more columns.

    Args:
        weight: Matrix :math:`W`, ``(S, T)``.

    Example:
        >>> orthogonality_error(2 * torch.eye(4))
        tensor(6.)

    """
    tall = weight if weight.shape[0] >= weight.shape[1] else weight.T
    error: Tensor = torch.linalg.matrix_norm(tall.T @ tall - torch.eye(tall.shape[1], dtype=weight.dtype))
    return error


def lambda_orthogonality(weight: Tensor, threshold: float, sharpness: float = 1.0) -> Tensor:
    r"""Return the penalty :math:`\sigma(\alpha (e - \lambda)) \, e` of the orthogonality error :math:`e`.

    Args:
        weight: Matrix, ``(S, T)``.
        threshold: Error :math:`\lambda` from which the penalty counts.
        sharpness: Slope :math:`\alpha` of the threshold.

    Source: lambda-orthogonality (arXiv 2509.16664). It states no value of :math:`\alpha`; 1 is ours.

    Example:
        >>> lambda_orthogonality(2 * torch.eye(4), threshold=6.0)
        tensor(3.)

    """
    error = orthogonality_error(weight)
    return torch.sigmoid(sharpness * (error - threshold)) * error


@dataclass
class LambdaOrthogonal(AffineBridge):
    r"""Linear map between a rotation and least squares.

    .. math:: \min_W \frac{1}{N} \sum_i \lVert x_i W - y_i \rVert^2 + L_\lambda(W)

    The paper trains this map in minibatches, together with one of the gallery. Here the moments of all pairs give the
    exact loss, which L-BFGS minimizes from the Procrustes solution.

    Args:
        side: Side that is mapped.
        threshold: Error of orthogonality up to which the map is free, :math:`\lambda`. The default is the paper's.
        sharpness: Slope of the threshold, :math:`\alpha`.
        steps: Largest number of steps of the optimizer.

    Source: lambda-orthogonality (arXiv 2509.16664), terms :math:`L_B` and :math:`L_\lambda`.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> new = torch.randn(50, 4)
        >>> rigid, free = (LambdaOrthogonal(threshold=limit).fit(1.5 * new, new) for limit in (0.0, 100.0))
        >>> free.map.weight[0, 0].round(decimals=2)
        tensor(1.5000)
        >>> bool(rigid.map.weight[0, 0] < 1.2)
        True

    """

    name: ClassVar[str] = "lambda_orthogonal"

    threshold: NotNegative = 12.0
    sharpness: Positive = 1.0
    steps: Count = 100

    def map_of(self, moments: Moments, validation: Moments | None) -> AffineMap:
        """Return the map."""
        source, cross = moments.source / moments.count, moments.cross / moments.count
        weight = procrustes_map(moments, centered=False).weight.double().requires_grad_()
        optimizer = torch.optim.LBFGS([weight], max_iter=self.steps, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            error = (weight * (source @ weight - 2 * cross)).sum()
            total: Tensor = error + lambda_orthogonality(weight, self.threshold, self.sharpness)
            total.backward()
            return total

        optimizer.step(loss)
        return AffineMap(weight.detach(), torch.zeros(cross.shape[1]))
