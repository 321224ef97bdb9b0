"""Affine maps, and the base class of the bridges that are one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from clsim.models.bridges.base import BridgeBase, tensors
from clsim.models.bridges.moments import Moments, moments_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from clsim.models.bridges.protocols import Pairs, Rows


@dataclass(frozen=True)
class AffineMap:
    r"""The map :math:`x \mapsto x W + b` of rows.

    Attributes:
        weight: Matrix :math:`W`, ``(S, T)``.
        bias: Translation :math:`b`, ``(T,)``.

    Example:
        >>> AffineMap(2 * torch.eye(2), torch.ones(2))(torch.tensor([[1.0, 2.0]]))
        tensor([[3., 5.]])

    """

    weight: Tensor
    bias: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        """Return mapped rows ``(N, T)`` of rows ``(N, S)``, in their type."""
        return torch.addmm(self.bias.to(rows.dtype), rows, self.weight.to(rows.dtype))


def about_means(weight: Tensor, moments: Moments) -> AffineMap:
    """Return the map with this matrix that takes the mean of the source to the mean of the target.

    Args:
        weight: Matrix, ``(S, T)``.
        moments: Moments of the pairs.

    Example:
        >>> pairs = moments_of(torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]]))
        >>> about_means(torch.eye(1), pairs).bias
        tensor([4.], dtype=torch.float64)

    """
    return AffineMap(weight, moments.target_mean - moments.source_mean @ weight.double())


def squared_error(affine: AffineMap, moments: Moments) -> float:
    r"""Return the mean of :math:`\lVert x_i W + b - y_i \rVert^2` over pairs, from their moments.

    Args:
        affine: Map of the source.
        moments: Moments of the pairs, which need not be those that the map was fitted to.

    Example:
        >>> pairs = moments_of(torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0], [3.0]]))
        >>> squared_error(AffineMap(torch.eye(1), torch.zeros(1)), pairs)
        0.5

    """
    weight, bias = affine.weight.double(), affine.bias.double()
    mapped = (weight * (moments.source @ weight)).sum() + 2 * moments.source_sum @ weight @ bias
    agreement = (weight * moments.cross).sum() + bias @ moments.target_sum
    total = mapped + moments.count * bias @ bias - 2 * agreement + moments.target.trace()
    return float(total.clamp_min(0)) / moments.count


@dataclass
class AffineBridge(BridgeBase):
    """Base of bridges that are an affine map fitted from second moments.

    Subclasses compute the map in ``map_of``, or override ``fit_moments`` if they need validation pairs.
    """

    chooses: ClassVar[bool] = False
    """Whether fitting needs validation pairs."""

    map: AffineMap | None = field(default=None, init=False, repr=False)

    @abstractmethod
    def map_of(self, moments: Moments, validation: Moments | None) -> AffineMap:
        """Return the map of source to target."""

    def fit_moments(self, moments: Moments, validation: Moments | None = None) -> Self:
        """Fit the map to moments of its source and target, see :meth:`fit`.

        Args:
            moments: Moments of the pairs to fit.
            validation: Moments of the pairs that choose settings.

        """
        found = self.map_of(moments, validation)
        self.map = AffineMap(found.weight.float(), found.bias.float())
        return self

    def _fit(self, source: Rows, target: Rows, validation: Pairs | None) -> None:
        self.fit_moments(moments_of(source, target), moments_of(*validation) if validation and self.chooses else None)

    def _map(self, rows: Tensor) -> Tensor:
        assert self.map is not None
        return self.map(rows)

    @property
    def widths(self) -> tuple[int, int] | None:
        """Widths of source and target; None before fitting."""
        return None if self.map is None else (self.map.weight.shape[0], self.map.weight.shape[1])

    def _state(self) -> dict[str, Tensor]:
        assert self.map is not None
        return {"weight": self.map.weight, "bias": self.map.bias}

    def _restore(self, widths: tuple[int, int], state: Mapping[str, Tensor]) -> None:
        weight, bias = tensors(state, weight=widths, bias=widths[1:])
        self.map = AffineMap(weight, bias)
