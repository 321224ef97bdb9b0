"""A gallery's map to the new space (FCT), and one that knows how uncertain it is (FastFill)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.models.bridges.protocols import Rows, Side
from clsim.models.bridges.rows import chunks
from clsim.models.bridges.trained import Plan, TrainedBridge
from clsim.utils.arguments import Count, NotNegative, Positive, Whole

if TYPE_CHECKING:
    from clsim.models.bridges.protocols import Pairs


def _block(width: int, out: int) -> list[nn.Module]:
    """Return a linear layer with batch normalization and ReLU: the published 1 x 1 convolution on a vector."""
    return [nn.Linear(width, out, bias=False), nn.BatchNorm1d(out), nn.ReLU()]


class TransformNetwork(nn.Module):
    """Network of FCT without side information: a projection ``d, 2 d, 2 D`` and a mixer ``h, h, D``.

    Args:
        source_width: Width of the old features, ``d``.
        target_width: Width of the new features, ``D``.
        hidden: Width of the mixer, ``h``.
        uncertain: Whether a second output predicts the logarithm of the error's variance.

    Example:
        >>> TransformNetwork(3, 2, 8).eval()(torch.ones(5, 3)).shape
        torch.Size([5, 2])

    """

    def __init__(self, source_width: int, target_width: int, hidden: int, *, uncertain: bool = False) -> None:
        super().__init__()
        sizes = [source_width, 2 * source_width, 2 * target_width, hidden, hidden]
        layers = [layer for pair in pairwise(sizes) for layer in _block(*pair)]
        self.body = nn.Sequential(*layers)
        self.mean = nn.Linear(hidden, target_width)
        self.log_variance = nn.Linear(hidden, 1) if uncertain else None

    def forward(self, rows: Tensor) -> Tensor:
        """Return mapped rows ``(N, D)``."""
        found: Tensor = self.mean(self.body(rows))
        return found

    def predict(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return mapped rows ``(N, D)`` and the logarithm of the variance of each number of a row, ``(N,)``."""
        assert self.log_variance is not None
        inner = self.body(rows)
        return self.mean(inner), self.log_variance(inner).squeeze(1)


def gaussian_loss(mapped: Tensor, log_variance: Tensor, target: Tensor) -> Tensor:
    r"""Return the mean negative log-likelihood of targets under an isotropic normal distribution for each row.

    .. math:: \frac{1}{2 N} \sum_i \left( \frac{\lVert f_i - y_i \rVert^2}{D \sigma_i^2} + \log \sigma_i^2 \right)

    up to a constant, for each of the :math:`D` numbers of a row.

    Args:
        mapped: Means :math:`f`, ``(N, D)``.
        log_variance: Logarithm of :math:`\sigma^2`, ``(N,)``.
        target: Targets :math:`y`, ``(N, D)``.

    Example:
        >>> gaussian_loss(torch.zeros(1, 2), torch.zeros(1), torch.tensor([[1.0, 1.0]]))
        tensor(0.5000)

    """
    error = (mapped - target).square().mean(dim=1)
    return (error * (-log_variance).exp() + log_variance).mean() / 2


@dataclass
class FCT(TrainedBridge):
    """Forward-compatible map: a gallery of old features is transformed, and new queries stay unchanged.

    Side information is left out, since an index of features has none. Widths and training follow the paper, except
    that the epoch with the least validation loss is kept.

    Args:
        hidden: Width of the mixer.
        warmup: Epochs over which the learning rate rises.

    Source: FCT (CVPR 2022, arXiv 2112.02805); settings of apple/ml-fct fa1f8d1.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> old = torch.randn(400, 4)
        >>> bridge = FCT(epochs=30, hidden=32, batch_size=64, learning_rate=0.01).fit(old=old, new=old.abs())
        >>> bool((bridge.transform(old) - old.abs()).square().mean() < 0.1)
        True

    """

    name: ClassVar[str] = "fct"

    side: Side = "gallery"
    epochs: Whole = 80
    batch_size: Count = 1024
    learning_rate: Positive = 5e-4
    weight_decay: NotNegative = 2.0**-15
    patience: Count = 80
    hidden: Count = 2048
    warmup: Whole = 5

    @property
    def plan(self) -> Plan:
        """Settings of the training run; batch statistics are fixed in its second half, as published."""
        return replace(super().plan, warmup=self.warmup, freeze_statistics=0.5)

    def make(self, source_width: int, target_width: int) -> TransformNetwork:
        """Return the network, with random weights."""
        return TransformNetwork(source_width, target_width, self.hidden)

    def start(self, source: Rows, target: Rows, validation: Pairs) -> TransformNetwork:
        """Return the network, with random weights."""
        return self.make(int(source.shape[1]), int(target.shape[1]))

    def loss(self, network: nn.Module, source: Tensor, target: Tensor) -> Tensor:
        """Return the squared error."""
        return F.mse_loss(network(source), target)


@dataclass
class FastFill(FCT):
    """FCT that predicts how far each row may be off, so that a backfill can start with the most uncertain items.

    The published loss adds the classification loss of the new model's classifier on mapped rows. It needs labels and
    that classifier, which an index of features has not, and is left out.

    Source: FastFill (ICLR 2023, arXiv 2303.04766). The likelihood is that of an isotropic normal distribution.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> old = torch.randn(400, 4)
        >>> bridge = FastFill(epochs=3, hidden=16).fit(old=old, new=old)
        >>> bridge.uncertainty(old).shape, bridge.uncertain_first(old)[:1].shape
        (torch.Size([400]), torch.Size([1]))

    """

    name: ClassVar[str] = "fastfill"

    def make(self, source_width: int, target_width: int) -> TransformNetwork:
        """Return the network, with random weights."""
        return TransformNetwork(source_width, target_width, self.hidden, uncertain=True)

    def loss(self, network: nn.Module, source: Tensor, target: Tensor) -> Tensor:
        """Return the negative log-likelihood."""
        assert isinstance(network, TransformNetwork)
        return gaussian_loss(*network.predict(source), target)

    @torch.no_grad()
    def uncertainty(self, rows: Rows) -> Tensor:
        """Return the predicted variance of each row's error, ``(N,)``, for one number of a mapped row.

        Args:
            rows: Rows of the source, ``(N, S)``.

        Raises:
            ArgumentError: The bridge is not fitted.

        """
        self._fitted()
        assert isinstance(self.network, TransformNetwork)
        return torch.cat([self.network.predict(part.float())[1].exp() for _, part in chunks(rows)])

    def uncertain_first(self, rows: Rows) -> Tensor:
        """Return the positions of rows from the most to the least uncertain, ``(N,)``; ties keep their order."""
        return self.uncertainty(rows).argsort(descending=True, stable=True)
