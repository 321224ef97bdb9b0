"""Projection from the feature space of a new model into that of an old one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clsim.utils.arguments import Count, Whole, checked


class Projection(nn.Module):
    r"""A matrix, and a small network that corrects it: :math:`\phi(x) = W x + V \sigma(U x + b)`.

    The correction is zero at first, so :math:`\phi` starts as the matrix alone.

    Args:
        width: Width of the new space.
        old_width: Width of the old space.
        hidden: Number of hidden units between :math:`U` and :math:`V`; 0: the matrix alone.

    Example:
        >>> projection = Projection(3, 2, hidden=4)
        >>> projection.start_at(torch.eye(3, 2))
        >>> projection(torch.tensor([[1.0, 2.0, 3.0]])).tolist()
        [[1.0, 2.0]]

    """

    @checked
    def __init__(self, width: Count, old_width: Count, hidden: Whole = 0) -> None:
        super().__init__()
        self.linear = nn.Linear(width, old_width, bias=False)
        self.correction: nn.Module | None = None
        if hidden:
            last = nn.Linear(hidden, old_width, bias=False)
            nn.init.zeros_(last.weight)
            self.correction = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), last)

    def start_at(self, matrix: Tensor) -> None:
        """Set :math:`W` to a matrix ``(width, old_width)`` that applies from the right."""
        with torch.no_grad():
            self.linear.weight.copy_(matrix.T)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(B, old_width)``, not normalized, for features ``(B, width)``."""
        projected: Tensor = self.linear(features)
        return projected if self.correction is None else projected + self.correction(features)
