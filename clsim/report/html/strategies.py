"""Strategies over their seeds if the runs of a page are of one experiment, else the reasons why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from clsim.report.compare import Comparison, compare
from clsim.report.compare.pairs import StrategyRuns
from clsim.report.compare.tables import (
    costs_table,
    differences_table,
    draw_differences_table,
    draws_table,
    figures_table,
)
from clsim.report.html.content import Chart, Line, Section, with_figures
from clsim.report.html.run_view import RunView
from clsim.results.figures import session_of
from clsim.utils.errors import UserError, UserErrors

TITLE = "Strategies over seeds"
SHOWN = 5
"""Differences between runs that are listed."""
CHARTS = {
    "accuracy": ("Mean accuracy after each session", "accuracy"),
    "self_test": ("Mean self-test of each version", "share of queries"),
}
"""Title and vertical axis of every figure by session."""


def over_seeds(runs: Sequence[RunView]) -> Section:
    """Return the comparison of the runs in which a session ended."""
    begun = [run for run in runs if run.sessions]
    notes = [f"{run.label}: omitted here, since no session ended." for run in runs if not run.sessions]
    if not begun:
        return Section(TITLE, (), tuple(notes))
    try:
        found = compare([run.files.path for run in begun], incomplete=True)
    except UserError as error:
        return Section(TITLE, (), (*notes, *_refused(error)))
    made = (figures_table, differences_table, draws_table, draw_differences_table)
    tables = [*(table(found, split=True).known() for table in made), costs_table(found).known()]
    return Section(TITLE, (*charts(found), *(table for table in tables if table.rows)), tuple(notes))


def _refused(error: UserError) -> Iterator[str]:
    problems = error.errors if isinstance(error, UserErrors) else (error,)
    yield "There are no averages, since these runs cannot be compared:"
    for problem in problems[:SHOWN]:
        yield str(UserError(problem.what, where=problem.where))
    if len(problems) > SHOWN:
        yield f"and {len(problems) - SHOWN:,} more, which `clsim compare` lists."


def charts(found: Comparison) -> tuple[Chart, ...]:
    """Return means by session with intervals, and published rows; nothing if each mean is that of one run."""
    if all(len(strategy.runs) == 1 for strategy in found.strategies):
        return ()  # the page draws the runs themselves
    drawn = []
    for kind, (title, measured) in CHARTS.items():
        places = {key: place[1] for key in found.figures if (place := session_of(key)) and place[0] == kind}
        lines = [_line(strategy, places) for strategy in found.strategies]
        for name, row in found.published.items():
            known = {key: row.figures[key] for key in places if key in row.figures}
            positions = tuple(places[key] for key in known)
            lines.append(Line(f"{name}, published", positions, tuple(known.values()), reference=True))
        bars = f"bars: {100 * found.confidence:g} % intervals of the mean over the seeds"
        notes = (bars,) if any(any(line.bounds) for line in lines) else ()
        drawn.append(Chart(f"strategies_{kind}", title, "session", measured, tuple(lines), notes=notes))
    return with_figures(drawn)


def _line(strategy: StrategyRuns, places: Mapping[str, int]) -> Line:
    known = {key: strategy.spreads[key] for key in places if key in strategy.spreads}
    return Line(
        strategy.name,
        tuple(places[key] for key in known),
        tuple(each.mean for each in known.values()),
        bounds=tuple(each.interval for each in known.values()),
    )
