"""Epochs and batch size of the base session, which differ from those of the few-shot sessions."""

from __future__ import annotations

from typing import ClassVar

from clsim.plugins.state import AttributeState
from clsim.training.session_plan import SessionPlan, SessionPlanner
from clsim.utils.arguments import Count, Whole, checked
from clsim.utils.template import Experience


class BaseSession(AttributeState, SessionPlanner):
    """Plans epochs and batch size of session 0; later sessions have the strategy's own.

    Args:
        epochs: Number of passes over session 0.
        train_mb_size: Images a batch of session 0.

    Example:
        >>> from types import SimpleNamespace
        >>> plugin = BaseSession(epochs=20, train_mb_size=128)
        >>> plugin.plan(SimpleNamespace(current_experience=0))
        SessionPlan(epochs=20, train_mb_size=128, steps=None, images=None)
        >>> plugin.plan(SimpleNamespace(current_experience=1)) == SessionPlan()
        True

    """

    state_names: ClassVar[tuple[str, ...]] = ()

    @checked
    def __init__(self, *, epochs: Whole, train_mb_size: Count) -> None:
        super().__init__()
        self.epochs = epochs
        self.train_mb_size = train_mb_size

    def plan(self, session: Experience) -> SessionPlan:
        """Return the settings of the base session, or none for a later one."""
        return SessionPlan(self.epochs, self.train_mb_size) if session.current_experience == 0 else SessionPlan()
