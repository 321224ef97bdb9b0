"""Guard against a loss that is not finite or explodes: stop, skip the step, or rewind."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from clsim.plugins.state import AttributeState
from clsim.training.phases import Phase
from clsim.utils.arguments import checked
from clsim.utils.errors import RunFailed
from clsim.utils.template import Template

OnNan = Literal["stop", "skip", "rewind"]

EXPLODED = 1e8
"""Loss from which no training recovers; cross-entropies start at the logarithm of the number of classes."""
LIMIT = 10
"""Steps that may be skipped in a row, and times that a session may rewind."""
CHECK_EVERY = 50
"""Steps between two checks on a device that each check has to wait for."""


class LossGuard(AttributeState, SupervisedPlugin[Any]):
    """Checks the loss of every step before the optimizer takes it.

    On a GPU a check waits for the device. There ``stop`` checks the losses of 50 steps at a time, across short epochs;
    ``rewind`` also checks at the end of each epoch; ``skip`` reads one number a step.

    - ``stop`` ends the run.
    - ``skip`` skips the step. The run ends where ten in a row would be skipped.
    - ``rewind`` restores model and optimizer of the beginning of the epoch, or of the moment when a replacement model
      arrived in it, and continues with the next batch. The run ends where a session would rewind more than ten times.

    Args:
        on_nan: Reaction to a bad loss.
        advice: Function that returns a sentence for the message, such as where the last good checkpoint is.

    Attributes:
        skipped: Number of steps skipped in this session.
        rewound: Number of times that this session rewound.

    Raises:
        RunFailed: The run ends; names session, epoch, iteration and learning rate.

    Example:
        >>> LossGuard("skip").on_nan
        'skip'

    """

    phase: ClassVar[Phase] = Phase.GUARD
    state_names: ClassVar[tuple[str, ...]] = ("skipped", "rewound", "_in_a_row", "_losses", "_places", "_good")

    @checked
    def __init__(self, on_nan: OnNan = "stop", advice: Callable[[], str] = str) -> None:
        super().__init__()
        self.on_nan: OnNan = on_nan
        self.advice = advice
        self.skipped = self.rewound = self._in_a_row = 0
        self._losses: list[Tensor] = []
        self._places: list[tuple[int, int]] = []
        self._good: tuple[dict[str, Tensor], Any] | None = None

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Reset the counts."""
        self.skipped = self.rewound = self._in_a_row = 0
        self._losses, self._places, self._good = [], [], None

    def before_training_epoch(self, strategy: Template, **kwargs: Any) -> None:
        """Store the state to rewind to."""
        self.mark(strategy)

    def mark(self, strategy: Template) -> None:
        """Store model and optimizer, if all their weights are finite."""
        if self.on_nan != "rewind":
            return
        model = {name: value for name, value in strategy.model.state_dict().items() if isinstance(value, Tensor)}
        trained = {name for name, parameter in strategy.model.named_parameters() if parameter.requires_grad}
        good = {name: value.clone() for name, value in model.items() if name in trained or _is_buffer(strategy, name)}
        if all(bool(value.isfinite().all()) for value in good.values() if value.is_floating_point()):
            self._good = good, copy.deepcopy(strategy.optimizer.state_dict())

    def before_update(self, strategy: Template, **kwargs: Any) -> None:
        """Check the loss, or store it for a later check."""
        loss = strategy.loss.detach()
        if strategy.device.type == "cpu" or self.on_nan == "skip":
            self._check(strategy, float(loss), _place(strategy))
            return
        self._losses.append(loss)
        self._places.append(_place(strategy))
        if len(self._losses) >= CHECK_EVERY:
            self._check_stored(strategy)

    def after_training_epoch(self, strategy: Template, **kwargs: Any) -> None:
        """Check the stored losses, so that ``rewind`` starts the next epoch with good weights."""
        if self.on_nan == "rewind":
            self._check_stored(strategy)

    def after_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Check the stored losses."""
        self._check_stored(strategy)

    def model_replaced(self, strategy: Template) -> None:
        """Store the new model: the old one cannot be restored any more."""
        self.mark(strategy)

    def _check_stored(self, strategy: Template) -> None:
        if not self._losses:
            return
        losses = torch.stack([loss.reshape(()) for loss in self._losses]).tolist()
        # Checkpoints of earlier versions contain losses without their places.
        places = self._places if len(self._places) == len(losses) else [_place(strategy)] * len(losses)
        self._losses, self._places = [], []
        bad = [step for step, loss in enumerate(losses) if not abs(loss) < EXPLODED]
        first = bad[0] if bad else -1
        self._check(strategy, losses[first], places[first])

    def _check(self, strategy: Template, loss: float, place: tuple[int, int]) -> None:
        if abs(loss) < EXPLODED:
            self._in_a_row = 0
        elif self.on_nan == "skip" and self._in_a_row < LIMIT:
            self._in_a_row += 1
            self.skipped += 1
            # Without gradients there is no step, and no weight decay either.
            strategy.optimizer.zero_grad(set_to_none=True)
        elif self.on_nan == "rewind" and self.rewound < LIMIT and self._good is not None:
            self.rewound += 1
            self._rewind(strategy, *self._good)
        else:
            raise RunFailed(self._message(strategy, loss, place), fix=self._fix())

    def _rewind(self, strategy: Template, model: dict[str, Tensor], optimizer: Any) -> None:
        present = strategy.model.state_dict()
        with torch.no_grad():
            for name, value in model.items():
                present[name].copy_(value)
        strategy.optimizer.zero_grad(set_to_none=True)
        strategy.optimizer.load_state_dict(copy.deepcopy(optimizer))

    def _message(self, strategy: Template, loss: float, at: tuple[int, int]) -> str:
        rates = sorted({group["lr"] for group in strategy.optimizer.param_groups})
        place = f"session {strategy.experience.current_experience}, epoch {at[0]}, iteration {at[1]} of the session"
        after = {
            "stop": "",
            "skip": f", after {self.skipped} skipped steps",
            "rewind": f", after {self.rewound} rewinds of the session",
        }
        rate = " and ".join(f"{rate:g}" for rate in rates)
        return f"the loss is {loss:g} in {place}, at a learning rate of {rate}{after[self.on_nan]}"

    def _fix(self) -> str:
        others = {"stop": "; or set on_nan to skip or rewind", "skip": "", "rewind": ""}
        return f"a lower learning rate may help{others[self.on_nan]}. {self.advice()}".rstrip()


def _place(strategy: Template) -> tuple[int, int]:
    """Return epoch and iteration of the session, from 1; Avalanche's clock ticks behind the plugins."""
    return strategy.clock.train_exp_epochs + 1, strategy.clock.train_exp_iterations + 1


def _is_buffer(strategy: Template, name: str) -> bool:
    owner, _, attribute = name.rpartition(".")
    return attribute in dict(strategy.model.get_submodule(owner).named_buffers(recurse=False))
