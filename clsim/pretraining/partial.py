"""A training that was cut short goes on from its last whole epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from clsim.utils.files import atomic


class Partial:
    """The state of an unfinished training, in a file beside the one that it will leave.

    Every epoch draws its order and its augmentation from a generator seeded by its number, so that weights, the
    optimiser and the number of epochs are the whole state: what is resumed ends as what was never stopped.

    Args:
        path: of the finished weights.

    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f".{path.name}.partial")

    def load(self) -> dict[str, Any] | None:
        """What was saved last; None without it, or where the file is damaged: then training starts over."""
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception:  # a damaged pickle fails in whatever way its instructions lead to
            return None
        return state if isinstance(state, dict) and {"epoch", "model", "optimizer"} <= state.keys() else None

    def save(self, epoch: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Keeps the state after so many epochs."""
        state = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
        with atomic(self.path) as temporary:
            torch.save(state, temporary)

    def restore(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Puts the saved state in place; the epochs it had behind it, 0 without one."""
        state = self.load()
        if state is None:
            return 0
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["epoch"])

    def discard(self) -> None:
        """The training is over."""
        self.path.unlink(missing_ok=True)
