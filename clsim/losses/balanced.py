"""Cross-entropy for classes with unequal numbers of images."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def balanced_softmax_cross_entropy(logits: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    r"""Return the cross-entropy of logits that are shifted by the log-frequency of their class.

    .. math:: L = \frac1B \sum_i \operatorname{CE}(z_i + \log n, y_i)

    The shift is part of the loss alone: a test image is classified by :math:`z`. So a class with few images is not
    scored lower for being rare. Equal counts give plain cross-entropy.

    Args:
        logits: Logits :math:`z`, ``(B, C)``.
        labels: Class ids, ``(B,)``.
        counts: Training images :math:`n` of each class, ``(C,)``. A class with 0 is excluded.

    Returns:
        Mean over the batch, a scalar.

    Source: Balanced softmax (arXiv 2007.10740), as the joint reference of arXiv 2503.10003 uses it.

    Example:
        >>> import torch
        >>> logits, labels = torch.zeros(1, 2), torch.tensor([0])
        >>> round(float(balanced_softmax_cross_entropy(logits, labels, torch.tensor([1, 3]))), 4)  # log 4
        1.3863

    """
    return F.cross_entropy(logits + counts.to(logits.dtype).log(), labels)
