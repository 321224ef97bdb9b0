"""Upgrade of an image-text model: each session of a text stream brings a CLIP that replaces the one in service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from torch import nn

from clsim.models.clip import LoadedClip
from clsim.models.replacement_model import ReplacementClip
from clsim.training.phases import Phase
from clsim.training.session_plan import SessionPlan, SessionPlanner
from clsim.utils.arguments import checked
from clsim.utils.seeding import initialized
from clsim.utils.template import Experience, Template


class ClipUpgrade(SessionPlanner):
    """Exchanges the model before every session but the first, which has no epochs: its model has no predecessor.

    Args:
        models: CLIPs of the stream, one for every session.
        make: Function from a CLIP and the model in service to the model that replaces it.

    Attributes:
        old: Model of the session before, frozen and in evaluation mode, while the new one learns; None in the first
            session and between sessions.

    Example:
        >>> from types import SimpleNamespace
        >>> from clsim.models import ImageTextModel
        >>> upgrade = ClipUpgrade([], lambda clip, old: ImageTextModel(clip, prompts=2))
        >>> [upgrade.plan(SimpleNamespace(current_experience=session)).epochs for session in (0, 1)]
        [0, None]

    """

    phase: ClassVar[Phase] = Phase.MODEL

    @checked
    def __init__(self, models: Sequence[ReplacementClip], make: Callable[[LoadedClip, Any], nn.Module]) -> None:
        super().__init__()
        self.models = tuple(models)
        self.make = make
        self.old: nn.Module | None = None

    def plan(self, session: Experience) -> SessionPlan:
        """Return no epochs for session 0."""
        return SessionPlan(epochs=0 if session.current_experience == 0 else None)

    def before_train_dataset_adaptation(self, strategy: Template, **kwargs: Any) -> None:
        """Exchange the model before the optimizer is made for it."""
        super().before_train_dataset_adaptation(strategy, **kwargs)
        session = strategy.experience.current_experience
        if session == 0:
            return
        strategy.model.zero_grad(set_to_none=True)
        self.old = strategy.model.eval().requires_grad_(False)
        make = partial(self.make, self.models[session].clip, self.old)
        strategy.model = initialized(strategy, f"session {session}", make).to(strategy.device).train()

    def after_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Release the old model."""
        self.old = None

    def rebuild(self, strategy: Template) -> None:
        """Make the structure of the session's model, see :class:`~clsim.plugins.protocols.Rebuilds`."""
        self.before_train_dataset_adaptation(strategy)

    def rebuild_end(self, strategy: Template) -> None:
        """Release the old model."""
        self.old = None

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: the old model is the one that a session begins with."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Ignore the state; earlier versions stored the epochs in it."""
