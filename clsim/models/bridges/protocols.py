"""What a bridge offers, and what it reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self

Side = Literal["query", "gallery"]
"""What a bridge maps: queries of the new model to the old one, or a gallery of the old model to the new one."""


@runtime_checkable
class Rows(Protocol):
    """Rows of numbers ``(N, D)`` that are read a slice at a time: a tensor, an array, a memory map, a ``VectorSet``."""

    @property
    def shape(self) -> Any:
        """Number of rows and width."""

    def __getitem__(self, rows: Any, /) -> Any:
        """Return the rows at a slice or at an array of positions."""


Pairs: TypeAlias = tuple[Rows, Rows]
"""Rows of the same items by the old model and by the new one, in this order."""


@runtime_checkable
class Bridge(Protocol):
    """Map between the spaces of two models, fitted on features of the same items.

    Attributes:
        name: Name of the kind in snake_case, as :func:`~clsim.models.bridges.make_bridge` accepts it.
        side: What is mapped: ``query`` maps the new model's rows to the old space, ``gallery`` the old model's rows to
            the new space.

    """

    name: ClassVar[str]
    side: Side

    def fit(self, old: Rows, new: Rows, validation: Pairs | None = None) -> Self:
        """Fit the map to rows of the same items, ``(N, d)`` and ``(N, D)``, and return the bridge."""

    def transform(self, rows: Rows) -> Tensor:
        """Return the mapped rows in float32."""

    def save(self, path: Path) -> None:
        """Write settings and tensors to a safetensors file."""
