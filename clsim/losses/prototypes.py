"""Class prototypes: mean features of classes."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


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


def similarity_weights(few: Tensor, known: Tensor, sharpness: float) -> Tensor:
    r"""Return how much each known class contributes to a new one, :math:`\operatorname{softmax}_b(\tau \, n \cdot b)`.

    Args:
        few: Prototypes of new classes, ``(N, D)``.
        known: Prototypes of known classes, ``(B, D)``.
        sharpness: Factor :math:`\tau`; the higher, the fewer known classes contribute.

    Returns:
        Weights ``(N, B)``; each row sums to 1.

    Source: TEEN (arXiv 2312.05229) on unit rows; RanPAC's few-shot form (arXiv 2404.06622) on raw rows.

    Example:
        >>> import torch
        >>> similarity_weights(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 5.0]]), 16.0)
        tensor([[0.5000, 0.5000]])

    """
    return (sharpness * few @ known.T).softmax(1)


def calibrated_prototypes(few: Tensor, known: Tensor, *, shift: float, sharpness: float) -> Tensor:
    r"""Return prototypes of few-shot classes, shifted towards similar known classes (TEEN).

    With all prototypes scaled to length 1 and the weights :math:`w` of :func:`similarity_weights`,

    .. math:: \hat p_n = (1 - \alpha) \, p_n + \alpha \, \frac{q_n}{\lVert q_n \rVert},
        \quad q_n = \sum_b w_{nb} \, p_b

    Args:
        few: Prototypes over the few images of each new class, ``(N, D)``.
        known: Prototypes of the base classes, ``(B, D)``.
        shift: Share :math:`\alpha` of the known classes, 0 to 1.
        sharpness: Factor :math:`\tau` of the cosines.

    Returns:
        Prototypes ``(N, D)``, which a cosine classifier scales to length 1 again.

    Source: TEEN (arXiv 2312.05229); ``models/teen/Network.py`` of the authors' code.

    Example:
        >>> import torch
        >>> few, known = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 3.0]])
        >>> calibrated_prototypes(few, known, shift=0.5, sharpness=16.0)
        tensor([[0.5000, 0.5000]])

    """
    few, known = F.normalize(few, dim=1), F.normalize(known, dim=1)
    similar = F.normalize(similarity_weights(few, known, sharpness) @ known, dim=1)
    return (1 - shift) * few + shift * similar
