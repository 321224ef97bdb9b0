"""Features of a chosen length from the last block of a residual network, as in OCA's models."""

from __future__ import annotations

from typing import Any

from timm.models.resnet import BasicBlock, Bottleneck
from torch import nn


def shape_features(block: BasicBlock | Bottleneck, dimensions: int) -> None:
    r"""Make a residual network's last block emit ``dimensions`` numbers a position, of either sign.

    The block then computes :math:`BN(C\,g(x)) + BN(S\,x)`: its last convolution :math:`C` and a convolution
    :math:`S` on the shortcut have ``dimensions`` channels each, and no ReLU follows. The mean over all positions is
    the feature. The gains of both normalizations start at 1. A shortcut that changes neither width nor resolution
    stays without a convolution. The layers before the last convolution do not change.

    Args:
        block: Last block of the network, changed in place.
        dimensions: Length of the features.

    Raises:
        ValueError: The block has an attention layer, whose width is that of the old features.

    Source: ``models/resnet.py`` of OCA's authors' code, with ``last_nonlin`` off.

    """
    if block.se is not None:
        raise ValueError("the last block has an attention layer of the old width")
    name, norm, act = ("conv3", "bn3", "act3") if isinstance(block, Bottleneck) else ("conv2", "bn2", "act2")
    last: nn.Conv2d = getattr(block, name)
    incoming = block.conv1.in_channels
    setattr(block, name, _convolution(last.in_channels, dimensions, last.kernel_size[0]))
    setattr(block, norm, nn.BatchNorm2d(dimensions))
    setattr(block, act, nn.Identity())
    if block.downsample is not None:
        # The layers before the convolution reduce the resolution; only the width changes here.
        shortcut: Any = block.downsample
        *before, projection, _ = shortcut
        projected = _convolution(projection.in_channels, dimensions, projection.kernel_size[0], projection.stride[0])
        block.downsample = nn.Sequential(*before, projected, nn.BatchNorm2d(dimensions))
    elif incoming != dimensions:
        block.downsample = nn.Sequential(_convolution(incoming, dimensions, 1), nn.BatchNorm2d(dimensions))


def _convolution(incoming: int, outgoing: int, size: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution without bias, with the initial weights of the other ones."""
    made = nn.Conv2d(incoming, outgoing, size, stride=stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(made.weight, mode="fan_out", nonlinearity="relu")
    return made
