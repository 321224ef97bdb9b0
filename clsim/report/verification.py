"""A verification on the console."""

from __future__ import annotations

import sys

from clsim.report.console.choose import is_terminal, make_console
from clsim.report.figures import several
from clsim.report.table import Cell, Column, Table, column
from clsim.utils.text import clean
from clsim.verify.verification import Verification

STYLES = {"agrees": "green", "DIFFERS": "bold red", "not checked": "yellow"}
WIDTH = max(map(len, STYLES))


def print_verification(verification: Verification) -> None:
    """Print a table on a terminal; elsewhere one line for each check, and one for the whole."""
    path, checks = clean(verification.path), verification.checks
    details = [clean(" ".join(check.detail.split())) for check in checks]
    if not is_terminal(sys.stdout):
        for check, detail in zip(checks, details, strict=True):
            print(f"{check.verdict:<{WIDTH}}  {clean(check.what)}{f'  ({detail})' if detail else ''}")
        print(f"{path}: {conclusion(verification)}")
        return
    from clsim.report.console.parts import print_line, print_table

    verdicts = tuple(Cell(check.verdict, mark=STYLES[check.verdict]) for check in checks)
    columns = (
        column("check", (clean(check.what) for check in checks), left=True),
        Column("result", verdicts, left=True),
        column("detail", details, left=True),
    )
    console = make_console()
    print_table(console, Table(path, columns))
    print_line(console, conclusion(verification), "bold red" if verification.differs else "bold green")


def conclusion(verification: Verification) -> str:
    """Return the result in a sentence."""
    counts = verification.counts
    said = f"{counts['agrees']} agree, {counts['DIFFERS']} differ, {counts['not checked']} not checked"
    if verification.status == "complete":
        return said
    ended = several(verification.sessions, "session")
    return f"{said}; the run is not complete ({verification.status}, {ended} ended): only these were verified"
