"""What ``clsim report`` does: a page, and pictures and tables where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from clsim.report.html.run_view import RunView, read_runs
from clsim.report.html.write import NAME
from clsim.utils.errors import UserError

Format = Literal["svg", "pdf"]


def page_of(paths: Sequence[Path]) -> Path:
    """Where the page goes unless it is said: into the directory of a single run, of several to ``report.html`` here."""
    return paths[0] / NAME if len(paths) == 1 else Path(NAME)


def report_on(
    paths: Sequence[Path],
    *,
    page: Path | None = None,
    pictures: Path | None = None,
    tables: Path | None = None,
    kind: Format = "svg",
) -> Iterator[Path]:
    """Writes what is asked for, and yields the path of every file as it is there.

    Args:
        paths: run directories.
        page: file of the page.
        pictures: directory of the pictures.
        tables: directory of the tables.
        kind: of the pictures.

    Raises:
        UserError: one is no run directory, a file of it is damaged, or there is no place to write to.

    """
    runs = read_runs(paths)
    if page is not None:
        yield _page(runs, page)
    if pictures is not None:
        from clsim.report.html.pictures import draw_all

        yield from draw_all(runs, _folder(pictures), kind)
    if tables is not None:
        from clsim.report.html.exports import write_tables

        yield from write_tables(runs, _folder(tables))


def _page(runs: Sequence[RunView], path: Path) -> Path:
    from clsim.report.html.page import write_page

    if path.is_dir():
        raise UserError("this is a directory, not a file", where=str(path), fix=f"--out {path / NAME}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_page(runs, path)
    return path


def _folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise UserError("this is a file, not a directory", where=str(path))
    path.mkdir(parents=True, exist_ok=True)
    return path
