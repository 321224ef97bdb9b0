"""Epochs, batch size and budget of a session, planned by plugins and set by the strategy alone."""

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
        steps: Number of optimization steps, divided among the epochs.
        images: Number of images in all batches, in place of a number of steps.

    """

    epochs: int | None = None
    train_mb_size: int | None = None
    steps: int | None = None
    images: int | None = None


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


class AsksPlanners(ABC):
    """Base class of templates that merge and apply the plans of their plugins."""

    @property
    @abstractmethod
    def session_steps(self) -> int | None:
        """Number of steps of the present session, None if it is not known."""


def session_steps(strategy: Template) -> int:
    """Return the number of optimization steps of the session that begins: its budget, or all batches of all epochs.

    Args:
        strategy: Template whose data loader is made.

    Raises:
        TypeError: The data loader has no length.

    """
    planned = strategy.session_steps if isinstance(strategy, AsksPlanners) else None
    return strategy.train_epochs * len(strategy.dataloader) if planned is None else planned


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
        SessionPlan(epochs=2, train_mb_size=None, steps=None, images=None)

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
    """Set planned epochs and batch size and return the previous ones; the loop itself keeps to a budget."""
    replaced = SessionPlan(
        epochs=None if plan.epochs is None else strategy.train_epochs,
        train_mb_size=None if plan.train_mb_size is None else strategy.train_mb_size,
    )
    if plan.epochs is not None:
        strategy.train_epochs = plan.epochs
    if plan.train_mb_size is not None:
        strategy.train_mb_size = plan.train_mb_size
    return replaced
