"""Orthogonal maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from clsim.losses.alignment import orthogonal_procrustes
from clsim.models.bridges.affine import AffineBridge, AffineMap, about_means
from clsim.models.bridges.moments import Moments


def procrustes_map(moments: Moments, *, centered: bool) -> AffineMap:
    r"""Return the orthogonal map of the source to the target with the least squared error.

    .. math:: \min_{R^\top R = I} \sum_i \lVert (x_i - \bar x) R + \bar y - y_i \rVert^2

    Without centering, the means are zero. For different widths see
    :func:`~clsim.losses.orthogonal_procrustes`, which finds the rotation from the cross moment.

    Args:
        moments: Moments of the pairs.
        centered: Whether to rotate about the means.

    Example:
        >>> from clsim.models.bridges.moments import moments_of
        >>> pairs = moments_of(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
        >>> procrustes_map(pairs, centered=False).weight
        tensor([[ 0.,  1.],
                [-1.,  0.]])

    """
    cross = moments.centered.cross if centered else moments.cross
    # Rows enter the solution only through V^T U, so the identity stands for V and the cross moment for U.
    rotation = orthogonal_procrustes(torch.eye(len(cross), dtype=cross.dtype), cross)
    if centered:
        return about_means(rotation, moments)
    return AffineMap(rotation, torch.zeros(cross.shape[1]))


@dataclass
class Procrustes(AffineBridge):
    """Rotation in the least-squares sense, without a translation.

    Args:
        side: Side that is mapped.

    Source: Schoenemann 1966; as a bridge between embedding models, Drift-Adapter (arXiv 2509.23471).

    Example:
        >>> old = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> Procrustes().fit(old, old.flip(1)).transform(torch.tensor([[3.0, 4.0]]))
        tensor([[4., 3.]])

    """

    name: ClassVar[str] = "procrustes"

    def map_of(self, moments: Moments, validation: Moments | None) -> AffineMap:
        """Return the rotation."""
        return procrustes_map(moments, centered=False)


@dataclass
class ProcrustesCentered(AffineBridge):
    """Rotation about the means in the least-squares sense: a rotation and a translation.

    Args:
        side: Side that is mapped.

    Example:
        >>> old = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
        >>> bridge = ProcrustesCentered().fit(old, old.flip(1) + 1)
        >>> bridge.transform(torch.tensor([[4.0, 5.0]])).round(decimals=4)
        tensor([[4., 3.]])

    """

    name: ClassVar[str] = "procrustes_centered"

    def map_of(self, moments: Moments, validation: Moments | None) -> AffineMap:
        """Return the rotation and the translation."""
        return procrustes_map(moments, centered=True)
