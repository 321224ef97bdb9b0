"""Losses as pure functions: tensors in, a scalar (or the tensor it is made of) out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EXCLUDED = -1e4
"""Logit of a class that takes no part: its softmax is exactly 0 in float32 and bfloat16, and, unlike
minus infinity, it gives no NaN in losses that multiply a probability by a log-probability."""


def exclude_classes(logits: Tensor, classes: Tensor) -> Tensor:
    """Leaves only some classes in the running.

    Args:
        logits: ``(B, C)``.
        classes: ids of the classes that stay, ``(K,)``.

    Returns:
        ``(B, C)`` with every other column set to :data:`EXCLUDED`; no gradient flows into those.

    """
    excluded = torch.ones(logits.shape[1], dtype=torch.bool, device=logits.device)
    excluded[classes] = False
    return logits.masked_fill(excluded, EXCLUDED)


def current_class_cross_entropy(logits: Tensor, labels: Tensor, classes: Tensor) -> Tensor:
    r"""Cross-entropy over the classes of the current session only (CPE-CLIP).

    .. math:: L = -\frac1B \sum_i \log \frac{\exp l_{i,y_i}}{\sum_{c \in C_t} \exp l_{i,c}}

    The authors compute all seen classes and overwrite the old ones with -9999
    (``CoLeLib/training/strategies/clip_pe.py``); value and gradient are the same.

    Args:
        logits: ``(B, C)`` over all classes.
        labels: class ids, ``(B,)``, each one of ``classes``.
        classes: ids of the current session's classes, ``(K,)``.

    Returns:
        The mean over the batch, a scalar.

    """
    return F.cross_entropy(exclude_classes(logits, classes), labels)
