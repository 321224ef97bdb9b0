"""A square linear layer that preserves all angles between features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

from clsim.utils.arguments import Count, checked


class OrthogonalAlignment(nn.Linear):
    r"""``Q h + b`` with :math:`Q^\top Q = I` at every step of training, by parametrization (OCA, arXiv 2408.08793).

    Args:
        dimensions: Length of the features.

    Example:
        >>> torch.manual_seed(0) and None
        >>> OrthogonalAlignment(8).error() < 1e-5
        True

    """

    @checked
    def __init__(self, dimensions: Count) -> None:
        super().__init__(dimensions, dimensions)
        orthogonal(self)

    def error(self) -> float:
        r"""Return the largest absolute entry of :math:`Q Q^\top - I`, computed in float64."""
        turn: Tensor = self.weight.detach().double()
        identity = torch.eye(len(turn), dtype=turn.dtype, device=turn.device)
        return float((turn @ turn.T - identity).abs().max())
