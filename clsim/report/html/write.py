"""The files of a report: a page, and pictures and tables on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clsim.utils.errors import UserError
from clsim.utils.files import atomic

if TYPE_CHECKING:
    from clsim.report.html.run_view import RunView

NAME = "report.html"
Format = Literal["svg", "pdf"]
UNPRINTED = ("manifest",)
"""Tables that no paper prints."""


def try_report(runs: Sequence[Path], page: Path, log: Callable[[str], None]) -> bool:
    """Write a page and return whether it was written; a failure is logged and stops no run.

    Args:
        runs: Run directories.
        page: File of the page.
        log: Receives the reason if the page cannot be written.

    """
    try:
        # Imported here, so that no run waits for them before it has its figures.
        from clsim.report.html.page import write_page
        from clsim.report.html.run_view import view_runs

        write_page(view_runs(runs), page)
    except Exception as error:  # the results of days of training must not be lost with a page
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        log(f"{page.name} could not be written: {reason}")
        return False
    return True


def page_of(paths: Sequence[Path]) -> Path:
    """Return the default file of a page: in the directory of a single run, else in the working directory."""
    return paths[0] / NAME if len(paths) == 1 else Path(NAME)


def write_report(
    paths: Sequence[Path],
    *,
    page: Path | None = None,
    pictures: Path | None = None,
    tables: Path | None = None,
    kind: Format = "svg",
) -> Iterator[Path]:
    """Write a report and yield the path of every file.

    Args:
        paths: Run directories.
        page: File of the page; None writes none.
        pictures: Directory of the pictures; None writes none.
        tables: Directory of the tables; None writes none.
        kind: Format of the pictures.

    Raises:
        UserError: A path is no run directory, a file of it is damaged, or a target cannot be written.

    """
    from clsim.report.html.run_view import view_runs

    runs = view_runs(paths)
    if page is not None:
        from clsim.report.html.page import write_page

        if page.is_dir():
            raise UserError("this is a directory, not a file", where=str(page), fix=f"--out {page / NAME}")
        page.parent.mkdir(parents=True, exist_ok=True)
        write_page(runs, page)
        yield page
    if pictures is not None:
        yield from write_pictures(runs, _folder(pictures), kind)
    if tables is not None:
        yield from write_tables(runs, _folder(tables))


def write_pictures(runs: Sequence[RunView], folder: Path, kind: str) -> Iterator[Path]:
    """Draw every chart and matrix; yield the path of each picture."""
    from matplotlib import rc_context

    from clsim.report.html.content import Chart
    from clsim.report.html.pictures import STYLE, picture
    from clsim.report.html.sections import named_parts

    # Without a date, equal figures give equal bytes.
    undated = {"Date": None} if kind == "svg" else {"CreationDate": None}
    for name, part in named_parts(runs):
        if isinstance(part, Chart) or part.heat:
            path = folder / f"{name}.{kind}"
            with rc_context(STYLE), atomic(path, durable=False) as temporary:
                picture(part).savefig(temporary, format=kind, bbox_inches="tight", metadata=undated)
            yield path


def write_tables(runs: Sequence[RunView], folder: Path) -> Iterator[Path]:
    """Write every table and the figures of every chart as LaTeX, Markdown and CSV; yield each path."""
    from clsim.report.export import comma_separated, latex, markdown
    from clsim.report.html.content import Chart
    from clsim.report.html.sections import named_parts

    for name, part in named_parts(runs):
        if part.name in UNPRINTED:
            continue
        table = part.table if isinstance(part, Chart) else part
        for ending, text in (("tex", latex(table)), ("md", markdown(table)), ("csv", comma_separated(table))):
            path = folder / f"{name}.{ending}"
            with atomic(path, durable=False) as temporary:
                temporary.write_text(text, encoding="utf-8", newline="")
            yield path


def _folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise UserError("this is a file, not a directory", where=str(path))
    path.mkdir(parents=True, exist_ok=True)
    return path
