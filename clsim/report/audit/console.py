"""The verdict of an audit on the console: in color on a terminal, as plain lines elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.auditing import Audit
from clsim.auditing.summary import bound_sentence, headline
from clsim.report.audit.tables import chosen_row, compact_table
from clsim.report.console.choose import make_console
from clsim.report.console.parts import print_line, rich_table
from clsim.report.console.plain import write_line

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"cannot_tell": "bold yellow", "reindex": "bold cyan"}
"""Styles of the first line; others are green: less than everything is enough."""


def print_audit(audit: Audit, console: Console | None = None) -> None:
    """Print the verdict, its reason and the arrangements that it weighs.

    The first line answers the question. All arrangements are in ``audit.html``.

    Args:
        audit: Audit.
        console: Console to print to; None: standard output.

    Example:
        >>> import clsim, numpy as np
        >>> items = np.random.default_rng(0).normal(size=(200, 8))
        >>> print_audit(clsim.audit(items, items))  # doctest: +ELLIPSIS
        Do nothing
        ...

    """
    console = make_console() if console is None else console
    print_line(console, headline(audit.to_dict()), STYLES.get(audit.verdict.choice, "bold green"))
    print_line(console, audit.verdict.because)
    table = compact_table(audit)
    if console.is_terminal:
        console.print()
        console.print(rich_table(table.fitted(console.width), strong=chosen_row(audit)))
        console.print()
    else:
        for line in table.lines:
            write_line(console.file, line)
    print_line(console, bound_sentence(audit.bound), "dim")
    for note in audit.notes:
        print_line(console, note, "dim")
