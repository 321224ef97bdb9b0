"""Epochs and batch size of a session, planned by plugins and set by the strategy alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, NamedTuple

from avalanche.training.plugins import SupervisedPlugin

from clsim.utils.errors import ArgumentError
from clsim.utils.template import Experience, Template


class SessionPlan(NamedTuple):
    """Settings of one session; None keeps the strategy's value.

    Attributes:
        epochs: Number of epochs.
        train_mb_size: Number of images in a batch.

    """

    epochs: int | None = None
    train_mb_size: int | None = None


class SessionPlanner(SupervisedPlugin[Any], ABC):
    """Base class of plugins that plan a session.

    :class:`~clsim.training.Strategy` asks all planners, rejects contradictions and applies the result. In another
    template each planner applies its own plan, and the last one wins.
    """

    _replaced = SessionPlan()

    @abstractmethod
    def plan(self, session: Experience) -> SessionPlan:
        """Return the plan of a session.

        Args:
            session: Avalanche experience to be trained next.

        """

    def before_train_dataset_adaptation(self, strategy: Template, **kwargs: Any) -> None:
        """Apply the plan in a template that does not merge plans."""
        if not isinstance(strategy, AsksPlanners):
            apply_plan(strategy, self._replaced)
            self._replaced = apply_plan(strategy, self.plan(strategy.experience))


class AsksPlanners:
    """Marker base class of templates that merge and apply the plans of their plugins."""


def merge_plans(planners: Iterable[SessionPlanner], session: Experience) -> SessionPlan:
    """Return the common plan of several plugins for a session.

    Raises:
        ArgumentError: Two plugins plan different values.

    Example:
        >>> from types import SimpleNamespace
        >>> class Twice(SessionPlanner):
        ...     def plan(self, session):
        ...         return SessionPlan(epochs=2)
        >>> merge_plans([Twice(), Twice()], SimpleNamespace(current_experience=0))
        SessionPlan(epochs=2, train_mb_size=None)

    """
    merged: dict[str, int] = {}
    by: dict[str, str] = {}
    for planner in planners:
        for name, value in planner.plan(session)._asdict().items():
            if value is None:
                continue
            if merged.setdefault(name, value) != value:
                raise ArgumentError(
                    f"session {session.current_experience}: {by[name]} plans {name} = {merged[name]}, "
                    f"{type(planner).__name__} plans {value}",
                    fix="use only one of these plugins",
                )
            by.setdefault(name, type(planner).__name__)
    return SessionPlan(**merged)


def apply_plan(strategy: Template, plan: SessionPlan) -> SessionPlan:
    """Set the planned values and return the previous ones."""
    replaced = SessionPlan(
        epochs=None if plan.epochs is None else strategy.train_epochs,
        train_mb_size=None if plan.train_mb_size is None else strategy.train_mb_size,
    )
    if plan.epochs is not None:
        strategy.train_epochs = plan.epochs
    if plan.train_mb_size is not None:
        strategy.train_mb_size = plan.train_mb_size
    return replaced
