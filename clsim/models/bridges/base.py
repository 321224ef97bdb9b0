"""Base class of bridges: orientation, chunks and files."""

# Annotations are evaluated here: those of inherited fields are checked from subclasses in other modules.
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from clsim.models.bridges.protocols import Pairs, Rows, Side
from clsim.models.bridges.rows import Subset, check_pairs, chunks, split_positions
from clsim.utils.arguments import checked_fields
from clsim.utils.errors import ArgumentError
from clsim.utils.files import save_tensors

if TYPE_CHECKING:
    from typing_extensions import Self

FORMAT = "1"
"""Format of a bridge's file, in its metadata."""
HELD_OUT = 0.1
"""Share of the pairs that chooses settings if no validation pairs are given."""


@dataclass
class BridgeBase(ABC):
    """Base of bridges. The fields of a subclass that its constructor takes are its settings."""

    name: ClassVar[str]
    chooses: ClassVar[bool]
    """Whether fitting needs validation pairs."""

    side: Side = "query"

    def __post_init__(self) -> None:
        checked_fields(self)

    def fit(self, old: Rows, new: Rows, validation: Pairs | None = None) -> "Self":
        """Fit the map to rows of the same items.

        Args:
            old: Rows of the old model, ``(N, d)``.
            new: Rows of the new model for the same items, ``(N, D)``.
            validation: Pairs ``(old, new)`` that choose settings or the number of epochs. Without them, a random
                tenth of the given pairs does.

        Returns:
            The bridge itself.

        Raises:
            ArgumentError: The rows are no pairs, too few, or not finite.

        """
        check_pairs(old, new)
        if validation is not None:
            check_pairs(*validation, least=1)
        elif self.chooses:
            check_pairs(old, new, least=10)
            kept, held_out = split_positions(int(old.shape[0]), (1 - HELD_OUT, HELD_OUT), seed=0)
            validation = Subset(old, held_out), Subset(new, held_out)
            old, new = Subset(old, kept), Subset(new, kept)
        self._fit(*self.oriented(old, new), None if validation is None else self.oriented(*validation))
        return self

    def oriented(self, old: Rows, new: Rows) -> Pairs:
        """Return the rows that the bridge maps, and the rows to which it maps."""
        return (new, old) if self.side == "query" else (old, new)

    def transform(self, rows: Rows) -> Tensor:
        """Return the mapped rows.

        Args:
            rows: Rows of the new model for the side ``query``, of the old model for ``gallery``, ``(N, S)``.

        Returns:
            Rows in the other model's space, ``(N, T)`` float32.

        Raises:
            ArgumentError: The bridge is not fitted, or the rows differ in width from those of the fit.

        """
        width, target_width = self._fitted()
        if len(rows.shape) != 2 or rows.shape[1] != width:
            raise ArgumentError(f"{self.name}: expected rows (N, {width}), got shape {tuple(rows.shape)}")
        mapped = torch.empty(int(rows.shape[0]), target_width)
        for part, content in chunks(rows):
            mapped[part] = self._map(content.float())
        return mapped

    def save(self, path: Path) -> None:
        """Write settings and tensors to a safetensors file, from which :func:`load_bridge` reads them.

        Args:
            path: Path of the file; its folder must exist.

        Raises:
            ArgumentError: The bridge is not fitted.
            OSError: The file could not be written.

        """
        widths = self._fitted()
        facts = {"format": FORMAT, "bridge": self.name, "settings": json.dumps(self.settings), "widths": str(widths)}
        save_tensors(path, self._state(), facts)

    def restore(self, widths: tuple[int, int], state: Mapping[str, Tensor]) -> None:
        """Load tensors that :meth:`save` wrote.

        Args:
            widths: Widths of source and target.
            state: Tensors by name.

        Raises:
            ValueError: A tensor is missing, unknown, of another shape or not finite.

        """
        if not all(bool(tensor.isfinite().all()) for tensor in state.values()):
            raise ValueError("it contains NaN or infinite numbers")
        self._restore(widths, state)
        if self.widths != widths:
            raise ValueError(f"expected widths {widths}, got {self.widths}")

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of the constructor, by name."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.init}

    @property
    @abstractmethod
    def widths(self) -> tuple[int, int] | None:
        """Widths of source and target; None before fitting."""

    @abstractmethod
    def _fit(self, source: Rows, target: Rows, validation: Pairs | None) -> None: ...

    @abstractmethod
    def _map(self, rows: Tensor) -> Tensor: ...

    @abstractmethod
    def _state(self) -> dict[str, Tensor]: ...

    @abstractmethod
    def _restore(self, widths: tuple[int, int], state: Mapping[str, Tensor]) -> None: ...

    def _fitted(self) -> tuple[int, int]:
        if self.widths is None:
            raise ArgumentError(f"{self.name}: this bridge is not fitted", fix="call fit(old, new) first")
        return self.widths


def tensors(state: Mapping[str, Tensor], **shapes: tuple[int, ...]) -> list[Tensor]:
    """Return the tensors of a file in the order of their expected shapes.

    Args:
        state: Tensors by name.
        shapes: Shape of each tensor by name.

    Raises:
        ValueError: A tensor is missing, unknown, of another shape or not float32.

    Example:
        >>> tensors({"bias": torch.ones(2)}, bias=(2,))
        [tensor([1., 1.])]

    """
    found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()}
    expected = {name: (shape, torch.float32) for name, shape in shapes.items()}
    if found != expected:
        raise ValueError(f"expected tensors {expected}, got {found}")
    return [state[name] for name in shapes]
