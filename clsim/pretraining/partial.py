"""Checkpoints of pre-training, which resumes from its last complete epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from clsim.utils.files import atomic


class Partial:
    """Checkpoint of a training, in a file beside the finished weights.

    Every epoch seeds its order and augmentation by its number. Weights, optimizer and epoch are therefore the whole
    state, and a resumed training is bit-for-bit identical to an uninterrupted one.

    Args:
        path: Path of the finished weights.

    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f".{path.name}.partial")

    def load(self) -> dict[str, Any] | None:
        """Return the last saved state; ``None`` if the file is missing or damaged, so that training starts over."""
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception:  # a damaged pickle may raise anything
            return None
        return state if isinstance(state, dict) and {"epoch", "model", "optimizer"} <= state.keys() else None

    def save(self, epoch: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Save the state after ``epoch`` epochs."""
        state = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
        with atomic(self.path) as temporary:
            torch.save(state, temporary)

    def restore(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Load the saved state and return its number of epochs, 0 without one."""
        state = self.load()
        if state is None:
            return 0
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["epoch"])

    def discard(self) -> None:
        """Remove the file after the training."""
        self.path.unlink(missing_ok=True)
