"""Backbones by name: timm models, and residual networks whose stem fits images of 32 x 32 pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.models.resnet import BasicBlock, ResNet, make_blocks
from torch import Tensor, nn

from clsim.models.neck import shape_features
from clsim.models.preprocess import Interpolation, Preprocess
from clsim.utils.arguments import Count, checked
from clsim.utils.errors import UserError

CIFAR_MEAN = (0.507, 0.487, 0.441)
CIFAR_STD = (0.267, 0.256, 0.276)


@dataclass(frozen=True)
class SmallResNetShape:
    """Blocks and channels of every stage and of the stem; the last stage emits the features."""

    blocks: tuple[int, ...]
    channels: tuple[int, ...]
    stem: int
    stem_pool: bool
    """Whether to halve the resolution after the stem: more channels at equal cost suit small images and CPUs."""


SMALL_RESNETS = {
    # He et al. 2015, section 4.2, with projections in place of padded identities.
    "resnet20": SmallResNetShape((3, 3, 3), (16, 32, 64), stem=16, stem_pool=False),
    "resnet32": SmallResNetShape((5, 5, 5), (16, 32, 64), stem=16, stem_pool=False),
    # Four times the channels at a quarter of the pixels: 2.5 times the operations of resnet20 in 1.8 times the time on
    # a CPU.
    "resnet8x2": SmallResNetShape((1, 1, 1), (32, 64, 128), stem=32, stem_pool=True),
    "resnet8x4": SmallResNetShape((1, 1, 1), (64, 128, 256), stem=32, stem_pool=True),
    "resnet14x4": SmallResNetShape((2, 2, 2), (64, 128, 256), stem=32, stem_pool=True),
}


class SmallResNet(nn.Module):
    """A residual network of timm's basic blocks behind a stem of one 3 x 3 convolution.

    Args:
        shape: Blocks and channels.

    """

    def __init__(self, shape: SmallResNetShape) -> None:
        super().__init__()
        self.num_features = shape.channels[-1]
        self.stem = nn.Sequential(
            nn.Conv2d(3, shape.stem, 3, padding=1, bias=False),
            nn.BatchNorm2d(shape.stem),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2) if shape.stem_pool else nn.Identity(),
        )
        blocks = (BasicBlock,) * len(shape.blocks)
        stages, _ = make_blocks(blocks, shape.channels, shape.blocks, inplanes=shape.stem, avg_down=True)
        self.stages = nn.Sequential(*(stage for _, stage in stages))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock):
                module.zero_init_last()

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``(B, num_features)`` of normalized images ``(B, 3, H, W)`` of 8 pixels a side or more.

        Features are not negative, unless :func:`~clsim.models.neck.shape_features` changed the last block.
        """
        features: Tensor = self.stages(self.stem(images)).mean((2, 3))
        return features


class Backbone(nn.Module):
    """Network that normalizes images in [0, 1] and returns their features.

    Args:
        body: Network from normalized images to ``(B, num_features)``.
        num_features: Length of the feature vector.
        mean: Mean per channel.
        std: Standard deviation per channel.
        image_size: Side that ``body`` requires; None: any size.
        interpolation: Kernel of the resize to ``image_size``.

    """

    def __init__(
        self,
        body: nn.Module,
        num_features: int,
        *,
        mean: tuple[float, ...] = CIFAR_MEAN,
        std: tuple[float, ...] = CIFAR_STD,
        image_size: int | None = None,
        interpolation: Interpolation = "bicubic",
    ) -> None:
        super().__init__()
        self.preprocess = Preprocess(mean, std, image_size, interpolation=interpolation)
        self.body = body
        self.num_features = num_features

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``(B, num_features)`` of images ``(B, 3, H, W)`` in [0, 1]."""
        features: Tensor = self.body(self.preprocess(images))
        return features


@checked
def make_backbone(
    name: str,
    *,
    pretrained: bool = False,
    image_size: Count | None = None,
    interpolation: Interpolation = "bicubic",
    zero_init_last: bool = True,
    dimensions: Count | None = None,
) -> Backbone:
    """Return a network from images in [0, 1] to feature vectors.

    Args:
        name: Name in :data:`SMALL_RESNETS`, else of a timm model.
        pretrained: Whether to load timm's weights; the small networks have none.
        image_size: Side that images are resized to; None: no resize, unless the network requires a size.
        interpolation: Kernel of that resize.
        zero_init_last: Whether the last normalization of every residual block starts with gain 0, where the
            architecture does so; else with 1, as in torchvision. Pre-trained weights stay unchanged.
        dimensions: Length of the feature vector, which the last residual block then emits, see
            :func:`~clsim.models.neck.shape_features`; None: the width of the network.

    Raises:
        UserError: timm has no such model or no such weights, or ``dimensions`` does not suit the network.

    Example:
        >>> make_backbone("resnet8x2")(torch.rand(1, 3, 32, 32)).shape
        torch.Size([1, 128])

    """
    if name in SMALL_RESNETS:
        if pretrained:
            raise UserError(f"{name} has no pre-trained weights", fix="train it from scratch")
        small = SmallResNet(SMALL_RESNETS[name])
        if not zero_init_last:
            open_gains(small)
        _emit(name, small, dimensions)
        return Backbone(small, small.num_features, image_size=image_size, interpolation=interpolation)
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name[:6]}*")[:5]) or ", ".join(SMALL_RESNETS)
        raise UserError(f"unknown backbone {name!r}", fix=f"choose for example {near}; timm.list_models() returns all")
    check_tag(name)
    body: Any = timm.create_model(name, pretrained=pretrained, num_classes=0)
    if not (zero_init_last or pretrained):
        open_gains(body)
    _emit(name, body, dimensions)
    settings: Any = body.pretrained_cfg
    fixed = bool(settings.get("fixed_input_size"))
    return Backbone(
        body,
        int(body.num_features),
        mean=settings["mean"],
        std=settings["std"],
        image_size=image_size or (settings["input_size"][-1] if fixed or pretrained else None),
        interpolation=interpolation,
    )


def open_gains(network: nn.Module) -> None:
    """Set the gain of every normalization layer that starts at 0 to 1."""
    for module in network.modules():
        gain = getattr(module, "weight", None)
        if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.GroupNorm | nn.LayerNorm) and gain is not None:
            with torch.no_grad():
                gain.masked_fill_(gain == 0, 1.0)


def _emit(name: str, body: SmallResNet | ResNet | Any, dimensions: int | None) -> None:
    """Make the last block of a residual network emit features of this length."""
    if dimensions is None:
        return
    fix = "choose a plain residual network, or `neck: linear`, a matrix behind any network"
    if not isinstance(body, SmallResNet | ResNet):
        raise UserError(
            f"{name} is not a residual network, so its last block cannot emit {dimensions} features", fix=fix
        )
    stage: Any = body.stages[-1] if isinstance(body, SmallResNet) else body.layer4
    try:
        shape_features(stage[-1], dimensions)
    except ValueError as error:
        raise UserError(f"{name} cannot emit {dimensions} features: {error}", fix=fix) from error
    body.num_features = dimensions


def check_tag(name: str) -> None:
    """Check that timm has the weights that a name asks for after its dot; timm checks only when it loads them.

    Raises:
        UserError: There are no such weights.
    """
    architecture, _, tag = name.partition(".")
    tags = [known.partition(".")[2] for known in timm.list_pretrained(architecture)]
    if tag and tag not in tags:
        raise UserError(f"timm has no weights {tag!r} of {architecture}", fix=f"available: {', '.join(tags) or 'none'}")
