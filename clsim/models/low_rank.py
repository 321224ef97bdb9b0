"""Low-rank changes of frozen matrices (LoRA, arXiv 2106.09685), as parametrizations of the module that holds them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from clsim.utils.arguments import Count, checked


class LowRank(nn.Module):
    r"""A matrix :math:`W` to :math:`W + \frac{\alpha}{r} B A`, with :math:`B` zero at first.

    As a parametrization it reaches what a wrapped layer would not: the joint matrix of queries, keys and values in
    ``nn.MultiheadAttention``, which is a bare parameter there. (The usual library for it would bring along two more,
    for language models, to do this.)

    Args:
        rows: of :math:`W`.
        columns: of :math:`W`.
        rank: :math:`r`, columns of :math:`B` and rows of :math:`A`.
        alpha: strength; the change is scaled by ``alpha / rank``. Without it by 1.

    Raises:
        ArgumentError: a rank below 1.

    Example:
        >>> change = LowRank(4, 3, rank=2)
        >>> bool((change(torch.eye(4, 3)) == torch.eye(4, 3)).all())
        True

    """

    @checked
    def __init__(self, rows: Count, columns: Count, rank: Count, alpha: float | None = None) -> None:
        super().__init__()
        self.scale = (rank if alpha is None else alpha) / rank
        self.down = nn.Parameter(torch.empty(rank, columns))
        self.up = nn.Parameter(torch.zeros(rows, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """The changed matrix."""
        return weight + self.scale * self.up @ self.down


def add_low_rank(module: nn.Module, rank: int, alpha: float | None = None) -> int:
    """Puts a :class:`LowRank` on every matrix of attention and of linear layers in ``module``, and freezes the rest.

    Args:
        module: a tower, or any part of one; its own parameters no longer want gradients.
        rank: of the changes.
        alpha: see :class:`LowRank`.

    Returns:
        The number of matrices that can change.

    """
    module.requires_grad_(False)
    found = list(_matrices(module))
    for holder, name in found:
        weight: Any = getattr(holder, name)
        rows, columns = weight.shape
        change = LowRank(rows, columns, rank, alpha).to(weight.device)
        # Unsafe only in that shapes are not tried out first, which would copy every matrix.
        parametrize.register_parametrization(holder, name, change, unsafe=True)
    return len(found)


def _matrices(module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Modules and the names of their matrices."""
    for part in module.modules():
        if isinstance(part, nn.MultiheadAttention) and part.in_proj_weight is not None:
            yield part, "in_proj_weight"
        elif isinstance(part, nn.Linear):
            yield part, "weight"
