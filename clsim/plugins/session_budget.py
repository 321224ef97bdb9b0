"""Budget of a session: the same number of optimization steps or images for every strategy."""

from __future__ import annotations

from typing import ClassVar

from clsim.plugins.state import AttributeState
from clsim.training.session_plan import SessionPlan, SessionPlanner
from clsim.utils.arguments import Count, checked
from clsim.utils.errors import ArgumentError
from clsim.utils.template import Experience


class SessionBudget(AttributeState, SessionPlanner):
    """Plans the optimization steps of a session, or the images in its batches.

    The epochs of the strategy stay and share the budget, so that schedules by epochs and by steps end with it. An epoch
    is then no longer one pass: it begins a new pass and repeats or shortens it. Only :class:`~clsim.training.Strategy`
    keeps to a budget. A strategy without an optimizer or without epochs is not affected.

    Args:
        steps: Steps of every session; None: ``images`` are given.
        images: Images in the batches of every session, less than one batch more; None: ``steps`` are given.
        base: Whether the budget holds for the base session.
        later: Whether it holds for the sessions after it.

    Raises:
        ArgumentError: Neither or both of ``steps`` and ``images`` are given.

    Example:
        >>> from types import SimpleNamespace
        >>> SessionBudget(steps=500).plan(SimpleNamespace(current_experience=1)).steps
        500

    """

    state_names: ClassVar[tuple[str, ...]] = ()

    @checked
    def __init__(
        self, *, steps: Count | None = None, images: Count | None = None, base: bool = True, later: bool = True
    ) -> None:
        super().__init__()
        if (steps is None) == (images is None):
            raise ArgumentError("SessionBudget: expected steps or images, one of the two")
        self.given = SessionPlan(steps=steps, images=images)
        self.base = base
        self.later = later

    def plan(self, session: Experience) -> SessionPlan:
        """Return the budget of a session, or none."""
        return self.given if (self.later if session.current_experience else self.base) else SessionPlan()
