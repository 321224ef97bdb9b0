"""Replacement of the model in training by a model from elsewhere, at a given moment."""

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
    """A replacement model, and the moment when it replaces the model in training.

    Args:
        model: Replacement model.
        session: Session in which it arrives; 0 is the base session.
        after_iterations: Number of training iterations of the session before it arrives; 0 is before the session.
        after_share: The same as a share of all iterations of the session, in [0, 1). ``None`` uses
            ``after_iterations``.

    Raises:
        ArgumentError: A number is negative, the share is outside [0, 1), or both ways of giving the moment are used.

    Example:
        >>> from torch import nn
        >>> from clsim.models.replacement_model import ReplacementModel
        >>> half = Replacement(ReplacementModel("better", nn.Identity()), session=2, after_share=0.5)
        >>> half.before_session, half.iteration(10)
        (False, 5)

    """

    model: ReplacementModel
    session: Whole
    after_iterations: Whole = 0
    after_share: Annotated[float, Field(ge=0, lt=1)] | None = None

    def __post_init__(self) -> None:
        checked_fields(self)
        from clsim.models.replacement_model import ReplacementModel

        if not isinstance(self.model, ReplacementModel):
            raise ArgumentError(f"Replacement: model: expected a ReplacementModel, got {describe(self.model)}")
        if self.after_share is not None and self.after_iterations:
            raise ArgumentError("Replacement: after_share and after_iterations exclude each other")

    @property
    def moment(self) -> tuple[int, float, int]:
        """Session, share and iterations, by which replacements are ordered in time."""
        return self.session, self.after_share or 0.0, self.after_iterations

    @property
    def before_session(self) -> bool:
        """Whether it arrives before the session's training begins."""
        return not self.after_iterations and not self.after_share

    def iteration(self, iterations: int) -> int:
        """Return the number of the session's ``iterations`` before it; at least 1 unless it comes before the session.

        A share leaves at least one iteration to learn in, if the session has more than one.
        """
        if self.after_share:
            return max(1, min(iterations - 1, round(self.after_share * iterations)))
        return self.after_iterations
