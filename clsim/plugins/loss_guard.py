"""A loss that is no number any more, or beyond all measure: stop, leave the step out, or go back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from clsim.utils.arguments import checked
from clsim.utils.errors import RunFailed

OnNan = Literal["stop", "skip", "rewind"]

EXPLODED = 1e8
"""A loss from which no training recovers; cross-entropies start at the logarithm of the classes."""
LIMIT = 10
"""Steps in a row that may be left out, and times that a session may go back."""
LOOKED_AT = 50
"""Steps between two looks at the losses on a device that would have to be waited for."""


class LossGuard(SupervisedPlugin[Any]):
    """Looks at the loss of every step before it is taken.

    On a GPU a look waits for the device. There ``stop`` looks at the losses of 50 steps at a time, over epochs that are
    shorter; ``rewind`` looks at the end of each epoch, too; ``skip`` reads one number a step.

    - ``stop`` ends the run.
    - ``skip`` leaves the step out; the run ends where ten in a row would be left out.
    - ``rewind`` gives model and optimiser back what they were when the epoch began, or when a model arrived in it, and
      goes on with the next batch; the run ends where a session would go back more than ten times.

    Put last of the plugins, where all losses are added up.

    Args:
        on_nan: what to do.
        advice: a sentence for the message, such as where the last good checkpoint is.

    Attributes:
        skipped: steps left out in this session.
        rewound: times that this session went back.

    Raises:
        RunFailed: with session, epoch, iteration and learning rate.

    """

    @checked
    def __init__(self, on_nan: OnNan = "stop", advice: Callable[[], str] = str) -> None:
        super().__init__()
        self.on_nan: OnNan = on_nan
        self.advice = advice
        self.skipped = self.rewound = self._in_a_row = 0
        self._losses: list[Tensor] = []
        self._places: list[tuple[int, int]] = []
        self._good: tuple[dict[str, Tensor], Any] | None = None

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """A session begins."""
        self.skipped = self.rewound = self._in_a_row = 0
        self._losses, self._places, self._good = [], [], None

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        """Remembers where to go back to."""
        self.mark(strategy)

    def mark(self, strategy: Any) -> None:
        """Remembers model and optimiser as they are, if every weight of theirs is a number."""
        if self.on_nan != "rewind":
            return
        model = {name: value for name, value in strategy.model.state_dict().items() if isinstance(value, Tensor)}
        trained = {name for name, parameter in strategy.model.named_parameters() if parameter.requires_grad}
        kept = {name: value.clone() for name, value in model.items() if name in trained or _is_buffer(strategy, name)}
        if all(bool(value.isfinite().all()) for value in kept.values() if value.is_floating_point()):
            self._good = kept, copy.deepcopy(strategy.optimizer.state_dict())

    def before_update(self, strategy: Any, **kwargs: Any) -> None:
        """Looks at the loss."""
        loss = strategy.loss.detach()
        if strategy.device.type == "cpu" or self.on_nan == "skip":
            self._look(strategy, float(loss), _place(strategy))
            return
        self._losses.append(loss)
        self._places.append(_place(strategy))
        if len(self._losses) >= LOOKED_AT:
            self._look_at_all(strategy)

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        """Looks at what was not looked at yet, if the epoch that comes is to begin with weights that are good."""
        if self.on_nan == "rewind":
            self._look_at_all(strategy)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Looks at what was not looked at yet."""
        self._look_at_all(strategy)

    def model_replaced(self, strategy: Any) -> None:
        """There is no way back to the model that left."""
        self.mark(strategy)

    def state_dict(self) -> dict[str, Any]:
        """The counts, and what there is to go back to."""
        return {
            name: getattr(self, name) for name in ("skipped", "rewound", "_in_a_row", "_losses", "_places", "_good")
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` gave."""
        for name in state:
            setattr(self, name, state[name])

    def _look_at_all(self, strategy: Any) -> None:
        if not self._losses:
            return
        losses = torch.stack([loss.reshape(()) for loss in self._losses]).tolist()
        # A checkpoint of an earlier version has losses without their places.
        places = self._places if len(self._places) == len(losses) else [_place(strategy)] * len(losses)
        self._losses, self._places = [], []
        bad = [step for step, loss in enumerate(losses) if not abs(loss) < EXPLODED]
        first = bad[0] if bad else -1
        self._look(strategy, losses[first], places[first])

    def _look(self, strategy: Any, loss: float, place: tuple[int, int]) -> None:
        if abs(loss) < EXPLODED:
            self._in_a_row = 0
        elif self.on_nan == "skip" and self._in_a_row < LIMIT:
            self._in_a_row += 1
            self.skipped += 1
            # Without gradients there is no step, and no weight decay either.
            strategy.optimizer.zero_grad(set_to_none=True)
        elif self.on_nan == "rewind" and self.rewound < LIMIT and self._good is not None:
            self.rewound += 1
            self._go_back(strategy, *self._good)
        else:
            raise RunFailed(self._what(strategy, loss, place), fix=self._fix())

    def _go_back(self, strategy: Any, model: dict[str, Tensor], optimizer: Any) -> None:
        own = strategy.model.state_dict()
        with torch.no_grad():
            for name, value in model.items():
                own[name].copy_(value)
        strategy.optimizer.zero_grad(set_to_none=True)
        strategy.optimizer.load_state_dict(copy.deepcopy(optimizer))

    def _what(self, strategy: Any, loss: float, at: tuple[int, int]) -> str:
        rates = sorted({group["lr"] for group in strategy.optimizer.param_groups})
        place = f"session {strategy.experience.current_experience}, epoch {at[0]}, iteration {at[1]} of the session"
        after = {
            "stop": "",
            "skip": f", after {self.skipped} steps were left out",
            "rewind": f", after the session went back {self.rewound} times",
        }
        rate = " and ".join(f"{rate:g}" for rate in rates)
        return f"the loss is {loss:g} in {place}, at a learning rate of {rate}{after[self.on_nan]}"

    def _fix(self) -> str:
        others = {"stop": "; or set on_nan to skip or rewind", "skip": "", "rewind": ""}
        return f"a lower learning rate may help{others[self.on_nan]}. {self.advice()}".rstrip()


def _place(strategy: Any) -> tuple[int, int]:
    """Return epoch and iteration of the session, from 1; Avalanche's clock ticks behind the plugins."""
    return strategy.clock.train_exp_epochs + 1, strategy.clock.train_exp_iterations + 1


def _is_buffer(strategy: Any, name: str) -> bool:
    owner, _, attribute = name.rpartition(".")
    return attribute in strategy.model.get_submodule(owner)._buffers
