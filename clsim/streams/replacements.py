"""Models that arrive from elsewhere while a stream runs, at a given moment or at a drawn one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from clsim.utils.arguments import Whole, checked_fields
from clsim.utils.errors import ArgumentError
from clsim.utils.text import describe

if TYPE_CHECKING:
    from clsim.models.replacement_model import ReplacementModel


@dataclass(frozen=True)
class Replacement:
    """A model, and the moment when it takes the place of the one in training.

    Args:
        model: the one that arrives.
        session: during which it arrives, 0 the base session.
        after_iterations: training iterations of the session that come first; 0: it arrives before the session.
        after_share: the same as a share of all iterations of the session, in [0, 1); used instead if given.

    Raises:
        ArgumentError: a negative session or number, a share outside [0, 1), or both ways of saying when.

    """

    model: ReplacementModel
    session: Whole
    after_iterations: Whole = 0
    after_share: Annotated[float, Field(ge=0, lt=1)] | None = None

    def __post_init__(self) -> None:
        checked_fields(self)
        if not hasattr(self.model, "backbone"):
            raise ArgumentError(f"Replacement: model: expected an ReplacementModel, got {describe(self.model)}")
        if self.after_share is not None and self.after_iterations:
            raise ArgumentError("Replacement: after_share and after_iterations exclude each other")

    @property
    def moment(self) -> tuple[int, float, int]:
        """Session, share and iterations: sorts the replacements of a stream by time."""
        return self.session, self.after_share or 0.0, self.after_iterations

    @property
    def before_session(self) -> bool:
        """Whether it arrives before the session's training begins."""
        return not self.after_iterations and not self.after_share

    def iteration(self, iterations: int) -> int:
        """How many of the session's ``iterations`` come before it; at least 1 unless it comes before the session.

        A share leaves at least one iteration to learn in, where there is more than one.
        """
        if self.after_share:
            return max(1, min(iterations - 1, round(self.after_share * iterations)))
        return self.after_iterations
