"""Errors a user can mend: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from clsim.utils.text import clean

LONGEST = 2000
"""Characters of each part of a message; what a file says may be a megabyte long."""
SHOWN = 200
"""Problems written out in one message."""


def _part(text: str) -> str:
    """Part of a message as it may reach a terminal; of a long one the middle is left out."""
    cut = clean(text)
    return cut if len(cut) <= LONGEST else f"{cut[: LONGEST // 2]} ... {cut[-LONGEST // 2 :]}"


class UserError(Exception):
    """The input is wrong, not the program: shown without a traceback, exit code 2.

    Args:
        what: what is wrong, in one sentence.
        where: the place, as ``file:line`` or a path.
        fix: what to do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        place = f"{_part(self.where)}: " if self.where else ""
        remedy = f"\n  {_part(self.fix)}" if self.fix else ""
        return f"{place}{_part(self.what)}{remedy}"


class ArgumentError(UserError, ValueError):
    """An argument that a function or class of Python was called with, and a scenario could not have had either."""


class UserErrors(UserError):
    """Several problems found in one go, so that they can be mended in one go."""

    def __init__(self, errors: Sequence[UserError]) -> None:
        super().__init__(f"{len(errors)} problem{'s' if len(errors) != 1 else ''}")
        self.errors = tuple(errors)

    def __str__(self) -> str:
        more = len(self.errors) - SHOWN
        lines = [str(error) for error in self.errors[:SHOWN]]
        return "\n".join([*lines, f"and {more:,} more"] if more > 0 else lines)


class RunFailed(Exception):
    """A run that cannot go on, for a reason that can be told: shown without a traceback, exit code 1.

    Args:
        what: happened, and where in the run.
        fix: what to do about it.
    """

    def __init__(self, what: str, *, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return _part(self.what) + (f"\n  {_part(self.fix)}" if self.fix else "")


class DataWarning(UserWarning):
    """Data is usable, but something about it changes the figures: shown as one line, once."""


class NotFinite(RunFailed):
    """Outputs or features of a model that are NaN or infinite, so that no figure can be computed from them.

    Args:
        what: Outputs that are not finite, and how many of them.
    """

    def __init__(self, what: str) -> None:
        remedy = "check the weights that the model starts from, or train with a lower learning rate or in fp32"
        super().__init__(what, fix=remedy)


class DataMissing(UserError):
    """A data set is not on this machine and could not be fetched."""


class WeightsMissing(UserError):
    """Model weights are not on this machine and could not be fetched."""
