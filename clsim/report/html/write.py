"""The report that a run leaves in its own directory when it ends, however it ends, and that a sweep leaves of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

NAME = "report.html"


def leave_report(runs: Sequence[Path], page: Path, tell: Callable[[str], None]) -> bool:
    """Writes a report; one that cannot be made is told, and fails no run.

    Args:
        runs: their directories.
        page: its file.
        tell: is told why there is none.

    Returns:
        Whether it is there.

    """
    try:
        # Here, so that a run waits for neither before it has its figures.
        from clsim.report.html.page import write_page
        from clsim.report.html.run_view import read_runs

        write_page(read_runs(runs), page)
    except Exception as error:  # days of training are not given up for a picture of them
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        tell(f"{page.name} could not be written: {reason}")
        return False
    return True
