"""A verification on the console."""

from __future__ import annotations

import sys

from clsim.report.console.choose import is_terminal, make_console
from clsim.utils.text import clean
from clsim.verify.verification import Verification

COLOURS = {"agrees": "green", "DIFFERS": "bold red", "not checked": "yellow"}
WIDTH = max(map(len, COLOURS))


def show(verification: Verification) -> None:
    """A table on a terminal; elsewhere one line a check, and one for the whole."""
    if not is_terminal(sys.stdout):
        for check in verification.checks:
            detail = f"  ({_line(check.detail)})" if check.detail else ""
            print(f"{check.verdict:<{WIDTH}}  {clean(check.what)}{detail}")
        print(f"{clean(verification.path)}: {conclusion(verification)}")
        return
    from rich.table import Table
    from rich.text import Text

    from clsim.report.console.parts import plain_table

    table: Table = plain_table()
    for heading in ("what", "", "detail"):
        table.add_column(Text(heading, "bold"), overflow="fold")
    for check in verification.checks:
        colour = COLOURS[check.verdict]
        table.add_row(Text(clean(check.what)), Text(check.verdict, colour), Text(_line(check.detail)))
    console = make_console()
    console.print(Text(clean(verification.path), "bold"))
    console.print(table)
    console.print(Text(conclusion(verification), "bold red" if verification.differs else "bold green"))


def _line(text: str) -> str:
    return clean(" ".join(text.split()))


def conclusion(verification: Verification) -> str:
    """In a sentence."""
    counts = verification.counts
    said = f"{counts['agrees']} agree, {counts['DIFFERS']} differ, {counts['not checked']} not checked"
    if verification.status == "complete":
        return said
    ended = f"{verification.sessions} session{'' if verification.sessions == 1 else 's'}"
    return f"{said}; the run is not complete ({verification.status}, {ended} ended): verified as far as it goes"
