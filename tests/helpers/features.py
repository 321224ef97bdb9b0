"""Small frozen backbones and folders of features."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from clsim.models import FrozenBackbone
from clsim.models.features.cache import FeatureCache
from clsim.models.features.folder import FeatureFolder


def small_body(width: int = 5, seed: int = 0) -> nn.Sequential:
    """A convolution with batch normalization: evaluation and training mode differ."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    made[1].running_mean.fill_(0.3)
    made.num_features = width
    return made.eval()


def cache_in(path: Path | None, limit: int = 10**9) -> FeatureCache:
    """A cache in a folder; None: switched off."""
    return FeatureCache(FeatureFolder(path, limit))


def cached_backbone(path: Path | None, width: int = 5, seed: int = 0, limit: int = 10**9) -> FrozenBackbone:
    """A frozen convolution with its cache in a folder."""
    return FrozenBackbone(small_body(width, seed), name="small", cache=cache_in(path, limit))


def counts(backbone: FrozenBackbone) -> tuple[int, int]:
    """Images found and computed so far."""
    usage = backbone.cache.usage.values()
    return sum(each.found for each in usage), sum(each.computed for each in usage)
