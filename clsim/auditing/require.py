"""Requirements on the chosen arrangement, for a pipeline that asks before it deploys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt

from clsim.auditing.record import Audit
from clsim.utils.errors import UserError
from clsim.utils.text import suggestion

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt}
ENDS = ("value", "low", "high")
"""Numbers of a figure that a requirement can name, as in ``recall@10.low``."""
_PATTERN = re.compile(r"\s*(?P<figure>[\w@]+)(?:\.(?P<end>[a-z]+))?\s*(?P<sign>>=|<=|>|<)\s*(?P<bound>\S+)\s*")


@dataclass(frozen=True)
class Requirement:
    """Bound on a figure of the arrangement that a verdict chooses.

    Attributes:
        figure: Name of the figure, or ``kept`` or ``gain``.
        end: Number of the figure: ``value``, or ``low`` or ``high`` of its interval.
        sign: Comparison.
        bound: Bound, a fraction.

    """

    figure: str
    end: str
    sign: str
    bound: float

    def met(self, audit: Audit) -> bool:
        """Return whether the chosen arrangement meets the bound.

        Raises:
            UserError: The audit has no such figure.

        """
        return COMPARISONS[self.sign](self.found(audit), self.bound)

    def found(self, audit: Audit) -> float:
        """Return the number that is compared.

        Raises:
            UserError: The audit has no such figure.

        """
        chosen = audit.chosen
        figures = {**chosen.figures, "kept": chosen.kept, "gain": chosen.gain}
        if self.figure not in figures:
            fix = suggestion(self.figure, figures) or f"There are {', '.join(figures)}."
            raise UserError(f"there is no figure {self.figure!r}", where="--require", fix=fix)
        return float(getattr(figures[self.figure], self.end))

    def __str__(self) -> str:
        end = "" if self.end == "value" else f".{self.end}"
        return f"{self.figure}{end}{self.sign}{self.bound:g}"


def read_requirement(text: str) -> Requirement:
    """Return the requirement in a text.

    Args:
        text: Figure, comparison and bound, such as ``recall@10>=0.95`` or ``kept.low>0.9``.

    Raises:
        UserError: The text is no requirement.

    Example:
        >>> read_requirement("recall@10 >= 0.95")
        Requirement(figure='recall@10', end='value', sign='>=', bound=0.95)

    """
    fix = "Write a figure, >=, >, <= or <, and a fraction: 'recall@10>=0.95', 'kept.low>=0.9'."
    found = _PATTERN.fullmatch(text)
    if found is None or (end := found["end"] or "value") not in ENDS:
        raise UserError(f"expected a requirement, got {text!r}", where="--require", fix=fix)
    try:
        bound = float(found["bound"])
    except ValueError:
        raise UserError(f"expected a number, got {found['bound']!r}", where="--require", fix=fix) from None
    if not -1 <= bound <= 10:
        raise UserError(f"expected a fraction, got {bound:g}", where="--require", fix="95 % is 0.95.")
    return Requirement(found["figure"], end, found["sign"], bound)
