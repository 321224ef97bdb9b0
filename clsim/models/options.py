"""Option groups of strategies that describe a network; each field is a setting of the strategy that uses the group."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from clsim.models.backbones import make_backbone
from clsim.models.cpu_parallel import CpuDataParallel
from clsim.models.embedding import EmbeddingClassifier, Neck, make_embedding_classifier
from clsim.models.preprocess import Interpolation
from clsim.utils.arguments import Count

IMAGE_LAYOUT = torch.channels_last
"""Memory layout of models: convolutions on the CPU are faster when the channels of a pixel are neighbors."""


@dataclass(frozen=True)
class BackboneOptions:
    """A network trained from random weights.

    Attributes:
        backbone: Name of a small residual network of clsim or of a timm model.
        zero_init_last: Whether the last normalization of every residual block starts with gain 0; the authors of
            arXiv 2405.02581 start with 1.
        cpu_workers: Number of parts of a batch that a CPU computes side by side, each on one core.

    """

    backbone: str = "resnet8x4"
    zero_init_last: bool = True
    cpu_workers: Count = 2

    def make(self) -> CpuDataParallel:
        """Return the network with random weights."""
        return CpuDataParallel(make_backbone(self.backbone, zero_init_last=self.zero_init_last), self.cpu_workers)


@dataclass(frozen=True)
class EmbeddingOptions:
    """A network of an upgrade, with features of a chosen length and a classifier.

    Attributes:
        backbone: Name of the network of every model, which starts from random weights.
        neck: Source of the features. block: the last residual block emits them, with batch normalization and no ReLU,
            as published; linear: a matrix behind the pooled output of the whole network.
        image_size: Side in pixels that images are resized to; null: no resize.
        interpolation: Kernel of that resize.
        zero_init_last: Whether the last normalization of every block starts with gain 0; OCA's authors start with 1.
            The block that emits the features starts with 1 in either case.
        dimensions: Length of the features of the first model.
        cpu_workers: Number of parts of a batch that a CPU computes side by side, each on one core.

    """

    backbone: str = "resnet50"
    neck: Neck = "block"
    image_size: int | None = None
    interpolation: Interpolation = "bilinear"
    zero_init_last: bool = True
    dimensions: int = 128
    cpu_workers: Count = 2

    def make(self, classes: int, *, dimensions: int | None = None, turned: bool = False) -> EmbeddingClassifier:
        """Return a model with random weights.

        Args:
            classes: Number of class ids.
            dimensions: Length of the features; None: ``self.dimensions``.
            turned: Whether an orthogonal layer stands between features and classifier.

        """
        model = make_embedding_classifier(
            self.backbone,
            self.dimensions if dimensions is None else dimensions,
            classes,
            neck=self.neck,
            turned=turned,
            image_size=self.image_size,
            interpolation=self.interpolation,
            zero_init_last=self.zero_init_last,
            cpu_workers=self.cpu_workers,
        )
        return model.to(memory_format=IMAGE_LAYOUT)
