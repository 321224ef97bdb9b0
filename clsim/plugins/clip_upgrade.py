"""In every session of a text stream the CLIP that it brings takes the place of the one in service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from avalanche.training.plugins import SupervisedPlugin
from torch import nn

from clsim.models.clip import LoadedClip
from clsim.models.replacement_model import ReplacementClip
from clsim.utils.arguments import checked
from clsim.utils.seeding import initialised


class ClipUpgrade(SupervisedPlugin[Any]):
    """Puts the session's model in; nothing is trained in session 0, whose model has nobody to be compatible with.

    Put before the plugins that ask for the old model.

    Args:
        models: of the stream, one for every session.
        make: a CLIP and the model in service to the one that takes over.

    Attributes:
        old: the model of the session before, frozen and in evaluation mode, while the new one learns; ``None``
            in the first session and between sessions.

    """

    @checked
    def __init__(self, models: Sequence[ReplacementClip], make: Callable[[LoadedClip, Any], nn.Module]) -> None:
        super().__init__()
        self.models = tuple(models)
        self.make = make
        self.old: nn.Module | None = None
        self._epochs: int | None = None

    def before_train_dataset_adaptation(self, strategy: Any, **kwargs: Any) -> None:
        """Changes the model, in time for the optimiser to be made for the new one."""
        session = strategy.experience.current_experience
        if session == 0:
            self._epochs, strategy.train_epochs = strategy.train_epochs, 0
            return
        strategy.model.zero_grad(set_to_none=True)
        self.old = strategy.model.eval().requires_grad_(False)
        make = partial(self.make, self.models[session].clip, self.old)
        strategy.model = initialised(strategy, f"session {session}", make).to(strategy.device).train()

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """The old model has done its work."""
        self.old = None
        if self._epochs is not None:
            strategy.train_epochs, self._epochs = self._epochs, None

    def rebuild(self, strategy: Any) -> None:
        """The structure of the session's model, see :class:`~clsim.experiment.checkpoint.snapshots.Snapshots`."""
        self.before_train_dataset_adaptation(strategy)

    def rebuild_end(self, strategy: Any) -> None:
        """As when the session was over."""
        self.after_training_exp(strategy)

    def state_dict(self) -> dict[str, Any]:
        """The epochs that session 0 does without; the old model is the one that a session begins with."""
        return {"epochs": self._epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` gave."""
        self._epochs = state["epochs"]
