"""A translation by the mean drift of the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from clsim.models.bridges.affine import AffineBridge, AffineMap, about_means
from clsim.models.bridges.moments import Moments


def mean_drift(old: Tensor, new: Tensor) -> Tensor:
    r"""Return the mean drift of features between two versions, :math:`\Delta = \frac{1}{N} \sum_i (v_i - u_i)`.

    Args:
        old: Features :math:`u` of the old version, ``(N, D)``.
        new: Features :math:`v` of the new version for the same items, ``(N, D)``.

    Returns:
        Drift, ``(D,)``.

    Source: QDC (query drift compensation, arXiv 2506.00037).

    Example:
        >>> mean_drift(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([1., 0.])

    """
    return (new - old).mean(dim=0)


@dataclass
class MeanDrift(AffineBridge):
    r"""Translation by the mean drift, :math:`\hat q = v - \Delta`, for versions of one model trained further.

    For different widths, rows are first cut or padded with zeros. Over several upgrades the drifts add up.

    Args:
        side: Side that is mapped.

    Source: QDC (arXiv 2506.00037), whose drift is the mean over the queries of the current task.

    Example:
        >>> old = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> MeanDrift().fit(old, old + 2).transform(old + 2)
        tensor([[0., 1.],
                [1., 0.]])

    """

    name: ClassVar[str] = "mean_drift"

    def map_of(self, moments: Moments, validation: Moments | None) -> AffineMap:
        """Return the translation."""
        return about_means(torch.eye(*moments.cross.shape, dtype=torch.float64), moments)
