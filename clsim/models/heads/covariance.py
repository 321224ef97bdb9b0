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


def mixed_covariances(factors: Tensor, weights: Tensor, block: int = 128) -> Tensor:
    r"""Return :math:`\sum_b w_{kb} F_b F_b^\top` for each class :math:`k`, a block of rows after the other.

    Args:
        factors: Factors :math:`F_b` of the base classes, ``(B, D, r)``.
        weights: Weights :math:`w_{kb}`, ``(K, B)``.
        block: Rows of a block. It bounds the memory to ``B * block * D`` numbers.

    Returns:
        ``(K, D, D)``.

    Example:
        >>> mixed_covariances(torch.tensor([[[2.0], [0.0]], [[0.0], [1.0]]]), torch.tensor([[0.5, 1.0]]))
        tensor([[[2., 0.],
                 [0., 1.]]])

    """
    rows = [torch.einsum("kb,bij->kij", weights, part @ factors.mT) for part in factors.split(block, dim=1)]
    return torch.cat(rows, dim=1)


def leading_factor(covariance: Tensor, rank: int) -> Tensor:
    r"""Return the factor ``(D, rank)`` of a covariance ``(D, D)`` reduced to its leading principal directions.

    Columns beyond ``D`` are 0.

    Example:
        >>> leading_factor(torch.tensor([[4.0, 0.0], [0.0, 1.0]]), rank=1).abs()
        tensor([[2.],
                [0.]])

    """
    kept, width = min(rank, len(covariance)), len(covariance)
    factor = covariance.new_zeros(width, rank)
    if covariance.device.type == "cpu":
        from scipy.linalg import eigh  # which need not compute the other eigenvectors

        found = eigh(covariance.numpy(), subset_by_index=(width - kept, width - 1), check_finite=False)
        values, vectors = (torch.from_numpy(part) for part in found)
    else:
        values, vectors = (part[..., -kept:] for part in torch.linalg.eigh(covariance))
    factor[:, :kept] = vectors.flip(1) * values.flip(0).clamp_min(0).sqrt()
    return factor


def mixed_factors(factors: Tensor, weights: Tensor, own: Tensor, rank: int) -> Tensor:
    r"""Return the factors of :math:`\sum_b w_{kb} F_b F_b^\top + F_k F_k^\top`, reduced to ``rank`` columns.

    Args:
        factors: Factors :math:`F_b` of the base classes, ``(B, D, r)``.
        weights: Weights :math:`w_{kb}`, ``(K, B)``.
        own: Factors :math:`F_k` of the classes themselves, ``(K, D, q)``.
        rank: Number of columns of the result.

    Returns:
        ``(K, D, rank)``.

    Example:
        >>> base, own = torch.tensor([[[2.0], [0.0]]]), torch.tensor([[[0.0], [1.0]]])
        >>> mixed = mixed_factors(base, torch.tensor([[0.25]]), own, rank=2)[0]
        >>> (mixed @ mixed.T).round().tolist()
        [[1.0, 0.0], [0.0, 1.0]]

    """
    mixed = mixed_covariances(factors, weights)
    return torch.stack([leading_factor(each.addmm(mine, mine.T), rank) for each, mine in zip(mixed, own, strict=True)])
