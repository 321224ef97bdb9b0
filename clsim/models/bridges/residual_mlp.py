"""An affine map with a learned correction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.models.bridges.affine import AffineMap
from clsim.models.bridges.moments import Moments, moments_of
from clsim.models.bridges.ridge import Ridge
from clsim.models.bridges.trained import TrainedBridge
from clsim.utils.arguments import Count

if TYPE_CHECKING:
    from clsim.models.bridges.protocols import Pairs, Rows


class ResidualNetwork(nn.Module):
    r"""The network :math:`x W + b + s_y \, \mathrm{MLP}((x - \bar x) / s_x)` with one hidden layer (GELU).

    The last layer starts at zero, so that the network starts as the affine map. The scales :math:`s` are root mean
    squares about the means: the hidden layer sees numbers of size 1, even for unit rows of a large width.

    Args:
        source_width: Width of the rows.
        target_width: Width of the result.
        hidden: Width of the hidden layer.

    Example:
        >>> ResidualNetwork(3, 2, 8)(torch.ones(5, 3)).shape
        torch.Size([5, 2])

    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    scales: Tensor

    def __init__(self, source_width: int, target_width: int, hidden: int) -> None:
        super().__init__()
        self.inner = nn.Linear(source_width, hidden)
        self.outer = nn.Linear(hidden, target_width)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)
        self.register_buffer("weight", torch.zeros(source_width, target_width))
        self.register_buffer("bias", torch.zeros(target_width))
        self.register_buffer("mean", torch.zeros(source_width))
        self.register_buffer("scales", torch.ones(2))

    def start_at(self, affine: AffineMap, moments: Moments) -> None:
        """Take over an affine map and the scales of the pairs."""
        self.weight, self.bias, self.mean = affine.weight.float(), affine.bias.float(), moments.source_mean.float()
        centered = moments.centered
        squares = [float(sums.trace()) / sums.numel() ** 0.5 for sums in (centered.source, centered.target)]
        self.scales = torch.tensor([max(each / moments.count, 1e-24) ** 0.5 for each in squares])

    def forward(self, rows: Tensor) -> Tensor:
        """Return mapped rows ``(N, T)``."""
        correction: Tensor = self.outer(F.gelu(self.inner((rows - self.mean) / self.scales[0])))
        return torch.addmm(self.bias, rows, self.weight) + self.scales[1] * correction


@dataclass
class ResidualMLP(TrainedBridge):
    """The ridge solution plus a small network that starts at zero, trained on the squared error.

    Args:
        hidden: Width of the hidden layer.

    Source: Drift-Adapter (arXiv 2509.23471) for the width and the number of pairs. The start at the ridge solution,
        the learning rate, batch size, epochs and patience follow the documentation of rebasis 0.1.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> new = torch.randn(400, 4)
        >>> bridge = ResidualMLP(hidden=32, learning_rate=0.01).fit(old=new.abs(), new=new)
        >>> bool((bridge.transform(new) - new.abs()).square().mean() < 0.1)
        True

    """

    name: ClassVar[str] = "residual_mlp"

    hidden: Count = 256

    def make(self, source_width: int, target_width: int) -> ResidualNetwork:
        """Return the network, with random weights."""
        return ResidualNetwork(source_width, target_width, self.hidden)

    def start(self, source: Rows, target: Rows, validation: Pairs) -> ResidualNetwork:
        """Return the network at the ridge solution."""
        moments = moments_of(source, target)
        network = self.make(int(source.shape[1]), int(target.shape[1]))
        network.start_at(Ridge(self.side).map_of(moments, moments_of(*validation)), moments)
        return network

    def loss(self, network: nn.Module, source: Tensor, target: Tensor) -> Tensor:
        """Return the squared error, relative to the variance of the target."""
        error: Tensor = (network(source) - target).square().mean()
        return error / network.get_buffer("scales")[1].square()
