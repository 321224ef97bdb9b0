"""One vector for a class: the mean of its features."""

from __future__ import annotations

from torch import Tensor


def prototypes(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    r"""Mean feature of every class, :math:`P_c = \frac{1}{N_c} \sum_{n: y_n = c} f_n`, not scaled.

    Args:
        features: ``(N, D)``.
        labels: class ids ``(N,)``.

    Returns:
        The classes that occur, ``(C,)`` rising, and their means, ``(C, D)``.

    Example:
        >>> import torch
        >>> prototypes(torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([7, 2, 7]))
        (tensor([2, 7]), tensor([[0., 1.],
                [2., 0.]]))

    """
    classes, place = labels.unique(return_inverse=True)
    totals = features.new_zeros(len(classes), features.shape[1]).index_add_(0, place, features)
    return classes, totals / place.bincount().unsqueeze(1)


def influence_rows(found: Tensor, rows: Tensor, learnt: Tensor) -> Tensor:
    """An old classifier with rows for classes that it never learnt.

    Args:
        found: prototypes by the old model, ``(C, D)``.
        rows: of its classifier, ``(C, D)``; those of classes that it did not learn are not looked at.
        learnt: which classes it did learn, ``(C,)`` bool, at least one.

    Returns:
        ``(C, D)``: its own rows, and prototypes scaled to their mean length for the other classes.

    Source: BCT (arXiv 2003.11942), section 3.3, which makes new rows from class means; that they are scaled to the
    length of the old ones is ours, or else logits of new classes would be no match for those of old ones.

    Example:
        >>> import torch
        >>> found, rows = torch.tensor([[1.0, 0.0], [0.0, 0.5]]), torch.tensor([[3.0, 4.0], [9.0, 9.0]])
        >>> influence_rows(found, rows, torch.tensor([True, False]))
        tensor([[3., 4.],
                [0., 5.]])

    """
    length = rows[learnt].norm(dim=1).mean()
    made = length * found / found.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return rows.where(learnt.unsqueeze(1), made).detach()
