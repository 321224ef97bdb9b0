"""Errors that a user can fix: what is wrong, where, and how to fix it."""

from __future__ import annotations

from collections.abc import Sequence

from clsim.utils.text import clean

LONGEST = 2000
"""Characters shown of each part of a message, since a value from a file may be a megabyte long."""
SHOWN = 200
"""Problems shown in one message."""


def _part(text: str) -> str:
    """Escape a part of a message for a terminal, and cut out the middle of a long one."""
    cut = clean(text)
    return cut if len(cut) <= LONGEST else f"{cut[: LONGEST // 2]} ... {cut[-LONGEST // 2 :]}"


class UserError(Exception):
    """Invalid input, shown without a traceback; exit code 2.

    Args:
        what: Problem, in one sentence.
        where: Place of the problem, as ``file:line``, a path or a key.
        fix: Instructions for fixing it.
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
    """Invalid argument of a Python function or class, by a rule that holds for the same key in a scenario."""


class UserErrors(UserError):
    """Several problems found in one pass, so that they can be fixed together.

    Args:
        errors: Problems.
    """

    def __init__(self, errors: Sequence[UserError]) -> None:
        super().__init__(f"{len(errors)} problem{'s' if len(errors) != 1 else ''}")
        self.errors = tuple(errors)

    def __str__(self) -> str:
        more = len(self.errors) - SHOWN
        lines = [str(error) for error in self.errors[:SHOWN]]
        return "\n".join([*lines, f"and {more:,} more"] if more > 0 else lines)


class RunFailed(Exception):
    """Failure of a run for a known reason, shown without a traceback; exit code 1.

    Args:
        what: Failure, and where in the run.
        fix: Instructions for avoiding it.
    """

    def __init__(self, what: str, *, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return _part(self.what) + (f"\n  {_part(self.fix)}" if self.fix else "")


class DataWarning(UserWarning):
    """Property of usable data that changes results, shown once on one line."""


class RenamedWarning(FutureWarning):
    """A former name that works in this version only: shown as one line."""


class NotFinite(RunFailed):
    """NaN or infinite outputs of a model, from which no metric can be computed.

    Args:
        what: Which outputs are not finite, and how many.
    """

    def __init__(self, what: str) -> None:
        remedy = "check the initial weights, or train with a lower learning rate or in fp32"
        super().__init__(what, fix=remedy)


class DataMissing(UserError):
    """Data set that is neither on this machine nor could be downloaded."""


class WeightsMissing(UserError):
    """Model weights that are neither on this machine nor could be downloaded."""
