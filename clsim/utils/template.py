"""What plugins and metrics may use of a training template, be it clsim's Strategy or one of Avalanche's."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.optim import Optimizer


class Clock(Protocol):
    """Avalanche's counters, updated behind all other plugins."""

    train_iterations: int
    train_exp_epochs: int
    train_exp_iterations: int


class Experience(Protocol):
    """A session as Avalanche describes it."""

    @property
    def current_experience(self) -> int:
        """Index of the session, from 0."""

    @property
    def classes_in_this_experience(self) -> Collection[int]:
        """Class ids of the session."""

    @property
    def classes_seen_so_far(self) -> Collection[int]:
        """Class ids of this session and of all before it."""

    @property
    def previous_classes(self) -> Collection[int]:
        """Class ids of the sessions before this one."""

    @property
    def dataset(self) -> Any:
        """Items ``(x, y, t)``."""


class Template(Protocol):
    """State of a training template between two callbacks."""

    model: nn.Module
    optimizer: Optimizer
    device: torch.device
    experience: Experience
    current_eval_stream: Iterable[Experience]
    plugins: list[Any]
    evaluator: Any
    clock: Clock
    dataloader: Any
    train_epochs: int
    train_mb_size: int
    eval_mb_size: int
    is_training: bool
    mbatch: list[Tensor]
    mb_output: Tensor
    loss: Tensor

    @property
    def mb_x(self) -> Tensor:
        """Images of the batch, in [0, 1]."""

    @property
    def mb_y(self) -> Tensor:
        """Class ids of the batch."""

    def make_optimizer(self, **kwargs: Any) -> None:
        """Give the optimizer the trainable parameters of the model."""
