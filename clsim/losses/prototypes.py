"""Class prototypes: mean features of classes."""

from __future__ import annotations

from torch import Tensor


def prototypes(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return the mean feature of each class, :math:`P_c = \frac{1}{N_c} \sum_{n: y_n = c} f_n`, not normalized.

    Args:
        features: Features ``(N, D)``.
        labels: Class ids, ``(N,)``.

    Returns:
        Classes in ascending order, ``(C,)``, and their means, ``(C, D)``.

    Example:
        >>> import torch
        >>> prototypes(torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([7, 2, 7]))
        (tensor([2, 7]), tensor([[0., 1.],
                [2., 0.]]))

    """
    classes, place = labels.unique(return_inverse=True)
    totals = features.new_zeros(len(classes), features.shape[1]).index_add_(0, place, features)
    return classes, totals / place.bincount().unsqueeze(1)


def influence_rows(found: Tensor, rows: Tensor, learned: Tensor) -> Tensor:
    """Return the rows of an old classifier, extended to classes that it did not learn.

    Args:
        found: Prototypes by the old model, ``(C, D)``.
        rows: Rows of its classifier, ``(C, D)``. Those of unlearned classes are ignored.
        learned: Mask of the classes that it learned, ``(C,)`` bool, at least one.

    Returns:
        ``(C, D)``: rows of learned classes, and for the others prototypes scaled to the mean length of these rows.

    Source: BCT (arXiv 2003.11942), section 3.3, which makes new rows from class means. Scaling them to the length of
    the old rows is our addition: without it, logits of new and old classes would differ in scale.

    Example:
        >>> import torch
        >>> found, rows = torch.tensor([[1.0, 0.0], [0.0, 0.5]]), torch.tensor([[3.0, 4.0], [9.0, 9.0]])
        >>> influence_rows(found, rows, torch.tensor([True, False]))
        tensor([[3., 4.],
                [0., 5.]])

    """
    length = rows[learned].norm(dim=1).mean()
    made = length * found / found.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return rows.where(learned.unsqueeze(1), made).detach()
