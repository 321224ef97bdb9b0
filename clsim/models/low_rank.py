"""Low-rank changes of frozen matrices (LoRA, arXiv 2106.09685), as parametrizations of their modules."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from clsim.utils.arguments import Count, checked


class LowRank(nn.Module):
    r"""Parametrization of a matrix :math:`W` as :math:`W + \frac{\alpha}{r} B A`, with :math:`B` zero at first.

    A parametrization also reaches the joint matrix of queries, keys and values in ``nn.MultiheadAttention``, which is a
    bare parameter. Wrapping layers would not. (The usual LoRA library depends on two more for language models.)

    Args:
        rows: Rows of :math:`W`.
        columns: Columns of :math:`W`.
        rank: Rank :math:`r`: columns of :math:`B` and rows of :math:`A`.
        alpha: Strength; the change is scaled by ``alpha / rank``. None: by 1.

    Raises:
        ArgumentError: The rank is below 1.

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
        """Return the changed matrix."""
        return weight + self.scale * self.up @ self.down


def add_low_rank(module: nn.Module, rank: int, alpha: float | None = None) -> int:
    """Put a :class:`LowRank` on every matrix of attention and linear layers, and freeze the rest.

    Args:
        module: Network to change; its present parameters are frozen.
        rank: Rank of the changes.
        alpha: Strength, see :class:`LowRank`.

    Returns:
        The number of changed matrices.

    Example:
        >>> layer = nn.Linear(3, 4)
        >>> add_low_rank(layer, rank=2), layer(torch.ones(1, 3)).shape
        (1, torch.Size([1, 4]))

    """
    module.requires_grad_(False)
    found = list(_matrices(module))
    for holder, name in found:
        weight: Any = getattr(holder, name)
        rows, columns = weight.shape
        change = LowRank(rows, columns, rank, alpha).to(weight.device)
        # "unsafe" skips a trial of the shapes, which would copy every matrix.
        parametrize.register_parametrization(holder, name, change, unsafe=True)
    return len(found)


def _matrices(module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Yield modules and the names of their matrices."""
    for part in module.modules():
        if isinstance(part, nn.MultiheadAttention) and part.in_proj_weight is not None:
            yield part, "in_proj_weight"
        elif isinstance(part, nn.Linear):
            yield part, "weight"
