"""The report that a run leaves in its own directory when it ends, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "report.html"


@contextmanager
def report_left(directory: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Writes the report when the block ends; one that cannot be made is told, and fails no run.

    Args:
        directory: of the run.
        tell: is told why there is none.

    """
    try:
        yield
    finally:
        try:
            write_report(directory)
        except Exception as error:  # days of training are not given up for a picture of them
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            tell(f"{NAME} could not be written: {reason}")


def write_report(directory: Path) -> None:
    """Writes ``report.html`` from what the run left."""
    # Here, so that a run waits for neither before it has its figures.
    from clsim.report.page.html import write_page
    from clsim.report.page.left import read_runs

    write_page(read_runs([directory]), directory / NAME)
