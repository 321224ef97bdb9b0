"""Covariances of classes as factors of a few columns."""

from __future__ import annotations

import torch
from torch import Tensor


def covariance_factor(features: Tensor, rank: int) -> Tensor:
    r"""Return a factor :math:`F` of the covariance of features, :math:`F F^\top \approx \Sigma`.

    Its columns are the leading principal directions, each as long as the standard deviation along it. The product is
    exact if ``rank`` is at least ``N - 1`` or ``D``.

    Args:
        features: Features of one class, ``(N, D)``; one alone has covariance 0.
        rank: Number ``r`` of columns. Those beyond the rank of the covariance are 0.

    Returns:
        ``(D, r)``.

    Example:
        >>> factor = covariance_factor(torch.tensor([[1.0, 0.0], [3.0, 0.0]]), rank=1)
        >>> (factor @ factor.T).round().tolist()  # unbiased: divided by N - 1
        [[2.0, 0.0], [0.0, 0.0]]

    """
    centered = features - features.mean(0)
    factor = centered.new_zeros(features.shape[1], rank)
    _, lengths, directions = torch.linalg.svd(centered / max(1, len(features) - 1) ** 0.5, full_matrices=False)
    kept = min(rank, len(lengths))
    factor[:, :kept] = (lengths[:kept].unsqueeze(1) * directions[:kept]).T
    return factor


def class_factors(features: Tensor, labels: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the classes in ascending order ``(K,)``, and the :func:`covariance_factor` of each, ``(K, D, r)``.

    Example:
        >>> class_factors(torch.rand(4, 3), torch.tensor([7, 2, 7, 2]), rank=2)[1].shape
        torch.Size([2, 3, 2])

    """
    classes = labels.unique()
    return classes, torch.stack([covariance_factor(features[labels == label], rank) for label in classes])


def mixed_factor(factors: Tensor, weights: Tensor, own: Tensor, rank: int) -> Tensor:
    r"""Return the factor of :math:`\sum_b w_b F_b F_b^\top + F F^\top`, reduced to ``rank`` columns.

    Args:
        factors: Factors :math:`F_b` of the base classes, ``(B, D, r)``.
        weights: Weights :math:`w_b`, ``(B,)``.
        own: Factor :math:`F` of the class itself, ``(D, q)``.
        rank: Number of columns of the result.

    Returns:
        ``(D, rank)``.

    Example:
        >>> base, own = torch.tensor([[[2.0], [0.0]]]), torch.tensor([[0.0], [1.0]])
        >>> mixed = mixed_factor(base, torch.tensor([0.25]), own, rank=2)
        >>> (mixed @ mixed.T).round().tolist()
        [[1.0, 0.0], [0.0, 1.0]]

    """
    columns = (weights.sqrt().view(-1, 1, 1) * factors).transpose(0, 1).flatten(1)
    joined = torch.cat([columns, own], dim=1)
    values, vectors = torch.linalg.eigh(joined @ joined.T)
    factor = joined.new_zeros(len(own), rank)
    kept = min(rank, len(values))
    leading = values[-kept:].flip(0).clamp_min(0).sqrt()
    factor[:, :kept] = vectors[:, -kept:].flip(1) * leading
    return factor
