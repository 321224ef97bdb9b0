"""Closed-form maps between feature spaces."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def orthogonal_procrustes(new: Tensor, old: Tensor) -> Tensor:
    r"""Return the rotation that maps new features closest to old ones of the same items.

    .. math:: R^* = \arg\min_{R} \lVert V R - U \rVert_F = P Q^\top, \quad V^\top U = P \Sigma Q^\top

    over matrices with orthonormal columns, or rows if the new features are narrower. For different widths the result
    equals that of padding the narrower features with zeros and cutting the rotation.

    Args:
        new: New features :math:`V`, ``(N, D)``.
        old: Old features :math:`U` of the same items, ``(N, d)``.

    Returns:
        Rotation ``(D, d)`` in float32, computed in float64, to multiply from the right.

    Raises:
        ValueError: The features differ in number, or there are none.

    Source: Schoenemann 1966; for vision-language models the closed-form baseline beside XBT (arXiv 2405.14715).

    Example:
        >>> quarter = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
        >>> torch.allclose(orthogonal_procrustes(torch.eye(2), torch.eye(2) @ quarter), quarter)
        True

    """
    if new.ndim != 2 or old.ndim != 2 or len(new) != len(old) or not len(new):
        raise ValueError(f"expected features (N, D) and (N, d), got shapes {tuple(new.shape)} and {tuple(old.shape)}")
    left, _, right = torch.linalg.svd(new.double().T @ old.double(), full_matrices=False)
    rotation: Tensor = left @ right
    return rotation.float()


def slerp(old: Tensor, turned: Tensor, share: float) -> Tensor:
    r"""Return queries on the great circle between old features and rotated new ones, as an old index sees them.

    .. math:: q = \frac{\sin((1 - \alpha) \theta)}{\sin \theta} \hat u + \frac{\sin(\alpha \theta)}{\sin \theta} t,
        \quad \cos \theta = \langle \hat u, t \rangle

    The circle lies in the space of the wider features, between :math:`(\hat u, 0)` and :math:`\hat v R` for a square
    rotation :math:`R`. :math:`t` is the first part of the latter, with a length of at most 1. An index of old features
    is padded with zeros, so only the first part of a query counts, and the rest of :math:`R` may be unknown.

    Args:
        old: Old features :math:`u`, ``(N, d)``. They are scaled to length 1.
        turned: Rotated new features :math:`t`, ``(N, d)``: unit features times a rotation ``(D, d)``, not rescaled.
        share: Position :math:`\alpha` on the circle, in [0, 1]; 0 is the old feature, 1 the new one.

    Returns:
        Queries ``(N, d)`` of length 1, which does not affect search. If the two (nearly) agree or oppose each other,
        the scaled straight line between them.

    Raises:
        ValueError: ``share`` is outside [0, 1].

    Source: ``main.py`` and ``slerp_bc/method.py`` of miccunifi/SLERP_backward_compatibility, which pad with zeros.

    Example:
        >>> slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 0.5)
        tensor([[0.7071, 0.7071]])
        >>> slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.5]]), 0.5)
        tensor([[0.8944, 0.4472]])

    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected a number in [0, 1], got {share}")
    a, b = F.normalize(old, dim=1), turned
    angle = (a * b).sum(1, keepdim=True).clamp(-1, 1).acos()
    sine = angle.sin()
    curved = ((1 - share) * angle).sin() / sine * a + (share * angle).sin() / sine * b
    return F.normalize(torch.where(sine > 1e-4, curved, (1 - share) * a + share * b), dim=1)
