"""Rows of two made-up models whose relation is known."""

from __future__ import annotations

import torch
from torch import Tensor


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers in float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(width: int, seed: int = 1) -> Tensor:
    """A random orthogonal matrix."""
    return torch.linalg.qr(normal(width, width, seed=seed)).Q


def features(count: int, width: int, seed: int = 0) -> Tensor:
    """Rows with unequal variances about a mean that is not zero, as features have."""
    return normal(count, width, seed=seed) * torch.linspace(0.3, 2.0, width) + normal(width, seed=seed + 99)
