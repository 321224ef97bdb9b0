"""In every session but the first a new model takes the place of the old one, which stays at hand, frozen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from avalanche.training.plugins import SupervisedPlugin
from torch import nn

from clsim.plugins.session_images import outputs_of, session_batches
from clsim.utils.arguments import checked
from clsim.utils.seeding import initialised


class ModelUpgrade(SupervisedPlugin[Any]):
    """Starts every session after the first with a new model; one that the session brings along stays as it is.

    A model that was loaded (the session has a replacement, see :func:`~clsim.streams.upgrade`) is not trained: its
    session has no epochs, and its classifier, if it has ``fit_classifier``, is made from the session's images.

    Put before the plugins that ask for the old model.

    Args:
        make: the old model to a new one.

    Attributes:
        old: the model of the session before, frozen and in evaluation mode, while the new one learns; ``None``
            in the first session and between sessions.

    """

    @checked
    def __init__(self, make: Callable[[Any], nn.Module]) -> None:
        super().__init__()
        self.make = make
        self.old: nn.Module | None = None
        self._epochs: int | None = None

    def before_train_dataset_adaptation(self, strategy: Any, **kwargs: Any) -> None:
        """Changes the model, in time for the optimiser to be made for the new one."""
        self._epochs = strategy.train_epochs if self._epochs is None else self._epochs
        if strategy.experience.current_experience > 0:
            strategy.model.zero_grad(set_to_none=True)
            self.old = strategy.model.eval().requires_grad_(False)
            name = f"session {strategy.experience.current_experience}"
            model = initialised(strategy, name, partial(self.make, self.old))
            strategy.model = model.to(strategy.device).train()
        loaded = _loaded(strategy)
        if loaded is not None:
            strategy.model.replace(loaded.model)
            strategy.model.to(strategy.device)
        strategy.train_epochs = self._epochs if loaded is None else 0

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """A loaded model knows nothing of class ids."""
        if _loaded(strategy) is not None and hasattr(strategy.model, "fit_classifier"):
            features = outputs_of(strategy.model.eval().embed, session_batches(strategy))
            strategy.model.fit_classifier(*features)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """The old model has done its work."""
        self.old = None

    def rebuild(self, strategy: Any) -> None:
        """The structure of the session's model, see :class:`~clsim.experiment.checkpoint.snapshots.Snapshots`."""
        self.before_train_dataset_adaptation(strategy)

    def rebuild_end(self, strategy: Any) -> None:
        """The old model is not needed any more."""
        self.old = None

    def state_dict(self) -> dict[str, Any]:
        """The epochs of a session whose model is trained; the old model is the one that a session begins with."""
        return {"epochs": self._epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` gave."""
        self._epochs = state["epochs"]


def _loaded(strategy: Any) -> Any:
    """The replacement before the session, if there is one."""
    arriving = [each for each in getattr(strategy.experience, "replacements", ()) if each.before_session]
    return arriving[-1] if arriving else None
