"""Closed-form maps from one feature space to another."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def orthogonal_procrustes(new: Tensor, old: Tensor) -> Tensor:
    r"""The rotation that brings new features closest to old ones of the same items.

    .. math:: R^* = \arg\min_{R} \lVert V R - U \rVert_F = P Q^\top, \quad V^\top U = P \Sigma Q^\top

    over matrices with orthonormal columns, or rows if the new features are the shorter ones. Where widths differ this
    is what filling up the shorter features with zeros and cutting the rotation gives.

    Args:
        new: :math:`V`, ``(N, D)``.
        old: :math:`U`, ``(N, d)``, row by row of the same items.

    Returns:
        ``(D, d)`` in float32, to be multiplied from the right; computed in float64.

    Raises:
        ValueError: the features are not of equally many items, or of none.

    Source: Schoenemann 1966; for vision-language models the closed-form baseline beside XBT (arXiv 2405.14715).

    Example:
        >>> quarter = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
        >>> torch.allclose(orthogonal_procrustes(torch.eye(2), torch.eye(2) @ quarter), quarter)
        True

    """
    if new.ndim != 2 or old.ndim != 2 or len(new) != len(old) or not len(new):
        raise ValueError(f"features of the same items are needed; got {tuple(new.shape)} and {tuple(old.shape)}")
    left, _, right = torch.linalg.svd(new.double().T @ old.double(), full_matrices=False)
    rotation: Tensor = left @ right
    return rotation.float()


def slerp(first: Tensor, second: Tensor, share: float) -> Tensor:
    r"""Directions on the great circle between two.

    .. math:: \frac{\sin((1 - \alpha) \theta)}{\sin \theta} \hat a + \frac{\sin(\alpha \theta)}{\sin \theta} \hat b,
        \quad \cos \theta = \langle \hat a, \hat b \rangle

    Args:
        first: ``(N, D)``, scaled to length 1 here.
        second: ``(N, D)``, likewise.
        share: :math:`\alpha` in [0, 1]; 0 gives the first, 1 the second.

    Returns:
        ``(N, D)`` of length 1; where the two (nearly) agree or oppose each other, the scaled straight line between.

    Raises:
        ValueError: a share outside [0, 1].

    Example:
        >>> slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]]), 0.5)
        tensor([[0.7071, 0.7071]])

    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of the second direction is in [0, 1], not {share}")
    a, b = F.normalize(first, dim=1), F.normalize(second, dim=1)
    angle = (a * b).sum(1, keepdim=True).clamp(-1, 1).acos()
    sine = angle.sin()
    curved = ((1 - share) * angle).sin() / sine * a + (share * angle).sin() / sine * b
    straight = F.normalize((1 - share) * a + share * b, dim=1)
    return torch.where(sine > 1e-4, curved, straight)
