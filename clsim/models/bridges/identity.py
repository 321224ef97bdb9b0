"""No map, except for the width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from torch.nn import functional as F

from clsim.models.bridges.base import BridgeBase, tensors

if TYPE_CHECKING:
    from typing_extensions import Self

    from clsim.models.bridges.moments import Moments
    from clsim.models.bridges.protocols import Pairs, Rows


def fit_width(rows: Tensor, width: int) -> Tensor:
    """Return the leading numbers of each row, or the rows padded with zeros.

    Args:
        rows: Rows, ``(N, S)``.
        width: Width of the result.

    Returns:
        Rows ``(N, width)``; a view if there is nothing to pad.

    Example:
        >>> import torch
        >>> fit_width(torch.tensor([[1.0, 2.0]]), 3), fit_width(torch.tensor([[1.0, 2.0]]), 1)
        (tensor([[1., 2., 0.]]), tensor([[1.]]))

    """
    return rows[:, :width] if rows.shape[1] >= width else F.pad(rows, (0, width - rows.shape[1]))


@dataclass
class Identity(BridgeBase):
    """No map: rows are cut to the width of the other space, or padded with zeros.

    This is the naive swap of models. It works for models trained to be compatible, and for models whose leading
    numbers are a smaller embedding.

    Args:
        side: Side that is mapped.

    Example:
        >>> import torch
        >>> bridge = Identity().fit(old=torch.ones(4, 2), new=torch.ones(4, 3))
        >>> bridge.transform(torch.tensor([[1.0, 2.0, 3.0]]))
        tensor([[1., 2.]])

    """

    name: ClassVar[str] = "identity"
    chooses: ClassVar[bool] = False

    _widths: tuple[int, int] | None = field(default=None, init=False, repr=False)

    @property
    def widths(self) -> tuple[int, int] | None:
        """Widths of source and target; None before fitting."""
        return self._widths

    def fit_moments(self, moments: Moments, validation: Moments | None = None) -> Self:
        """Take over the widths."""
        self._widths = moments.cross.shape[0], moments.cross.shape[1]
        return self

    def _fit(self, source: Rows, target: Rows, validation: Pairs | None) -> None:
        self._widths = int(source.shape[1]), int(target.shape[1])

    def _map(self, rows: Tensor) -> Tensor:
        return fit_width(rows, self._fitted()[1])

    def _state(self) -> dict[str, Tensor]:
        return {}

    def _restore(self, widths: tuple[int, int], state: Mapping[str, Tensor]) -> None:
        tensors(state)
        self._widths = widths
