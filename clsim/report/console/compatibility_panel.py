"""The panel of compatibility: the cross-test matrix in heat colors and the figures that follow from it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clsim.experiment.events import Record, Results
from clsim.report.compatibility import compatibility_figures, replaced_versions
from clsim.report.console.heat import heat, legend
from clsim.report.console.parts import BETWEEN, BORDERS, FRAME, OURS, SLIM, framed, side_by_side
from clsim.report.figures import packed
from clsim.report.matrix import LEVELS, Grid, lay_out
from clsim.report.table import GAP


def compatibility_panel(results: Results, *, width: int, height: int, shades: bool) -> tuple[Panel, bool] | None:
    """Return the panel of the last version and whether its matrix is incomplete; None if it was not measured.

    Args:
        results: Results so far, of at least one session.
        width: Columns of the terminal.
        height: Lines that the panel may take; rows of earlier versions give way, the first and the latest stay.
        shades: Whether the terminal has colors for backgrounds.

    """
    records: list[Record] = results["sessions"]
    figures = compatibility_figures(records[-1].get("compatibility"))
    if not figures:
        return None
    inner = width - FRAME
    beside = max(len(name) for name, _ in figures) + GAP + max(len(figure) for _, figure in figures)
    whole = fitted_matrix(results, inner, beside=beside)
    side = whole.width + BETWEEN + beside <= inner
    inner = min(inner, max(SLIM, whole.width + (BETWEEN + beside) * side))
    below = [] if side else packed([f"{name} {figure}" for name, figure in figures], inner)
    around = BORDERS + 2 + len(legend(whole, inner, shades=shades)) + len(below)  # 2: title and heading
    grid = fitted_matrix(results, whole.width, rows=max(3, height - around))
    body: list[RenderableType]
    if side:
        body = matrix_view(grid, inner, shades=shades, beside=_figures_table(figures))
    else:
        body = [*matrix_view(grid, inner, shades=shades), *[Text(line, overflow="fold") for line in below]]
    title = f"compatibility after session {records[-1].get('session', 0)}"
    return framed(Group(*body), title, inner), not grid.whole


def fitted_matrix(results: Results, width: int, *, rows: int | None = None, beside: int = 0) -> Grid:
    """Return the cross-test matrix in `width` characters.

    It has one decimal less if that makes room for `beside` characters next to it.
    """
    matrix = results.get("compatibility_matrix") or []
    replaced = replaced_versions(results.get("sessions") or [])
    exact = lay_out(matrix, width=width, rows=rows, replaced=replaced)
    room = width - BETWEEN - beside
    if beside and exact.level is LEVELS[0] and exact.width > room:
        coarser = lay_out(matrix, width=width, rows=rows, replaced=replaced, levels=LEVELS[1:])
        return coarser if coarser.width <= room else exact
    return exact


def matrix_view(grid: Grid, width: int, *, shades: bool, beside: RenderableType | None = None) -> list[RenderableType]:
    """Return title, matrix (with `beside` next to it) and legend; without a matrix only `beside`."""
    if not grid.rows:
        return [] if beside is None else [beside]
    picture = heat(grid, shades=shades)
    return [
        Text(grid.title, "bold", overflow="fold"),
        picture if beside is None else side_by_side(picture, beside),
        *legend(grid, width, shades=shades),
    ]


def _figures_table(figures: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", style=OURS, no_wrap=True)
    for name, figure in figures:
        table.add_row(Text(name), Text(figure))
    return table
