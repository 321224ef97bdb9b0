"""Upgrade of a classifier: each session but the first starts with a new model beside the frozen old one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from torch import nn

from clsim.models.protocols import FitsClassifier, Replaceable, require
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.streams.replacements import Replacement
from clsim.streams.session import replacements_of
from clsim.training.phases import Phase
from clsim.training.session_plan import SessionPlan, SessionPlanner
from clsim.utils.arguments import checked
from clsim.utils.seeding import initialized
from clsim.utils.template import Experience, Template


class ModelUpgrade(SessionPlanner):
    """Starts every session after the first with a new model.

    A session may bring a loaded model instead (a replacement, see :func:`~clsim.streams.upgrade`). That one is not
    trained: its session has no epochs. If it can :meth:`~clsim.models.protocols.FitsClassifier.fit_classifier`, its
    classifier is made from the session's images.

    Args:
        make: Function from the old model to a new one.

    Attributes:
        old: Model of the session before, frozen and in evaluation mode, while the new one learns; None in the first
            session and between sessions.

    Example:
        >>> from clsim.data.datasets.shapes import shapes
        >>> from clsim.streams import upgrade
        >>> from clsim.training import Strategy
        >>> def make(old: nn.Module | None) -> nn.Module:
        ...     return nn.Sequential(nn.Flatten(), nn.Linear(3072, 4))
        >>> plugin, first = ModelUpgrade(make), make(None)
        >>> strategy = Strategy(model=first, plugins=[plugin])
        >>> for session in upgrade(shapes(4, train=2, test=1), classes=[2, 4]).train_stream:
        ...     _ = strategy.train(session, eval_streams=[])
        ...     print(strategy.model is first, plugin.old)
        True None
        False None

    """

    phase: ClassVar[Phase] = Phase.MODEL

    @checked
    def __init__(self, make: Callable[[Any], nn.Module]) -> None:
        super().__init__()
        self.make = make
        self.old: nn.Module | None = None

    def plan(self, session: Experience) -> SessionPlan:
        """Return no epochs for a session whose model was loaded."""
        return SessionPlan(epochs=None if _loaded(session) is None else 0)

    def before_train_dataset_adaptation(self, strategy: Template, **kwargs: Any) -> None:
        """Exchange the model before the optimizer is made for it."""
        super().before_train_dataset_adaptation(strategy, **kwargs)
        session = strategy.experience
        if session.current_experience > 0:
            strategy.model.zero_grad(set_to_none=True)
            self.old = strategy.model.eval().requires_grad_(False)
            name = f"session {session.current_experience}"
            model = initialized(strategy, name, partial(self.make, self.old))
            strategy.model = model.to(strategy.device).train()
        loaded = _loaded(session)
        if loaded is not None:
            require(strategy.model, Replaceable, self).replace(loaded.model)
            strategy.model.to(strategy.device)

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Give a loaded model, which knows no class ids, a classifier."""
        if _loaded(strategy.experience) is not None and isinstance(strategy.model, FitsClassifier):
            model, batches = strategy.model, session_batches(strategy, model=strategy.model)
            model.fit_classifier(*outputs_of(strategy.model.eval().embed, batches))

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


def _loaded(session: Experience) -> Replacement | None:
    """Return the replacement before the session, None where the model is trained."""
    before = [replacement for replacement in replacements_of(session) if replacement.before_session]
    return before[-1] if before else None
