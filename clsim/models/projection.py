"""From the feature space of a new model into that of an old one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clsim.utils.arguments import Count, Whole, checked


class Projection(nn.Module):
    r"""A matrix, and a small network that corrects it: :math:`\phi(x) = W x + V \sigma(U x + b)`.

    The correction is zero at first, so that :math:`\phi` begins as whatever matrix it is started with.

    Args:
        width: of the new space.
        old_width: of the old one.
        hidden: numbers between :math:`U` and :math:`V`; 0 leaves the matrix alone.

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
        """Makes ``matrix``, ``(width, old_width)`` from the right, the :math:`W`."""
        with torch.no_grad():
            self.linear.weight.copy_(matrix.T)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, width)`` to ``(B, old_width)``, not normalised."""
        projected: Tensor = self.linear(features)
        return projected if self.correction is None else projected + self.correction(features)
