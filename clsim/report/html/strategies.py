"""Strategies over their seeds, where the runs of a page are of one experiment; where not, why nothing is averaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from clsim.report.compare import Comparison, compare
from clsim.report.compare.pairs import Strategy, Tested
from clsim.report.compare.tables import p_value
from clsim.report.figures import finite, points
from clsim.report.html.content import Cell, Chart, Line, Section, Table, figure, known_columns, with_figures, words
from clsim.report.html.run_view import RunView
from clsim.results.figures import figure as named
from clsim.results.figures import session_of
from clsim.utils.errors import UserError, UserErrors

TITLE = "Strategies over seeds"
TOLD = 5
"""Differences between runs that are named."""
CHARTS = {
    "accuracy": ("Mean accuracy after each session", "accuracy"),
    "self_test": ("Mean self-test of each version", "share of queries"),
}
"""Title and vertical axis of every figure by session."""


def over_seeds(runs: Sequence[RunView]) -> Section:
    """What ``clsim compare`` says of the runs; those in which no session ended have no say."""
    begun = [run for run in runs if run.sessions]
    notes = [f"{run.label}: no session ended, so it is left out here." for run in runs if not run.sessions]
    if not begun:
        return Section(TITLE, (), tuple(notes))
    try:
        found = compare([run.files.path for run in begun], incomplete=True)
    except UserError as error:
        return Section(TITLE, (), (*notes, *_refused(error)))
    tables = [known_columns(table) for table in (figures(found), differences(found)) if table.rows]
    return Section(TITLE, (*charts(found), *tables), tuple(notes))


def _refused(error: UserError) -> Iterator[str]:
    problems = error.errors if isinstance(error, UserErrors) else (error,)
    yield "Nothing is averaged here, for these runs cannot be compared:"
    for problem in problems[:TOLD]:
        yield str(UserError(problem.what, where=problem.where))
    if len(problems) > TOLD:
        yield f"and {len(problems) - TOLD:,} more, which `clsim compare` names."


def figures(found: Comparison) -> Table:
    """A row for every figure of whole runs and strategy, and one for every published row of another method."""
    rows: list[tuple[Cell, ...]] = []
    ran = {strategy.name for strategy in found.strategies}
    others = {name: row for name, row in found.published.items() if name not in ran}
    for key in (key for key in found.figures if session_of(key) is None):
        for strategy in found.strategies:
            if (known := strategy.spreads.get(key)) is None:
                continue
            row = found.published.get(strategy.name)
            rows.append(
                (
                    words(named(key).label_of_run),
                    words(strategy.name),
                    figure(known.n, "count"),
                    _cell(key, known.mean),
                    _cell(key, known.deviation),
                    *(_cell(key, bound) for bound in known.interval or (None, None)),
                    figure(row.figures.get(key) if row else None),
                    _cell(key, found.gap(strategy, key), signed=True),
                )
            )
        for name, row in others.items():
            if key in row.figures:
                nothing = [figure(None)] * 5
                rows.append(
                    (words(named(key).label_of_run), words(name), *nothing, figure(row.figures[key]), figure(None))
                )
    headings = ("figure", "strategy", "seeds", "mean", "deviation", *_bounds(found), "published", "differs")
    sources = tuple(f"{name}, published: {row.source}" for name, row in found.published.items())
    title = "Figures over the seeds, with intervals of their means (percent)"
    return Table("strategies", title, headings, tuple(rows), notes=(*found.on_runs, *sources))


def differences(found: Comparison) -> Table:
    """A row for every figure of whole runs and pair of strategies."""
    corrected = len(found.pairs) > 1
    rows = [
        (
            words(named(key).label_of_run),
            words(f"{pair.first} - {pair.second}"),
            figure(tested.difference.n, "count"),
            _cell(key, tested.difference.mean, signed=True),
            _cell(key, tested.difference.deviation),
            *(_cell(key, bound, signed=True) for bound in tested.difference.interval or (None, None)),
            *_tests(tested, corrected=corrected),
        )
        for key in found.figures
        if session_of(key) is None
        for pair in found.pairs
        if (tested := pair.figures.get(key))
    ]
    tests = ("p (t)", "Holm (t)", "p (flips)", "Holm (flips)") if corrected else ("p (t)", "p (flips)")
    headings = ("figure", "difference", "seeds", "mean", "deviation", *_bounds(found), *tests)
    title = "Differences of strategies, seed by seed (points)"
    return Table("differences", title, headings, tuple(rows), notes=tuple(found.on_differences))


def charts(found: Comparison) -> tuple[Chart, ...]:
    """Means by session with the interval of each, and published rows; nothing where each mean is that of one run."""
    if all(len(strategy.runs) == 1 for strategy in found.strategies):
        return ()  # the runs themselves are drawn below
    drawn = []
    for kind, (title, measured) in CHARTS.items():
        places = {key: place[1] for key in found.figures if (place := session_of(key)) and place[0] == kind}
        lines = [_line(strategy, places) for strategy in found.strategies]
        for name, row in found.published.items():
            known = [key for key in places if key in row.figures]
            theirs = tuple(row.figures[key] for key in known)
            lines.append(Line(f"{name}, published", tuple(places[key] for key in known), theirs, reference=True))
        bars = f"bars: {100 * found.confidence:g} % intervals of the mean over the seeds"
        notes = (bars,) if any(any(line.bounds) for line in lines) else ()
        drawn.append(Chart(f"strategies_{kind}", title, "session", measured, tuple(lines), notes=notes))
    return with_figures(drawn)


def _line(strategy: Strategy, places: Mapping[str, int]) -> Line:
    known = {key: strategy.spreads[key] for key in places if key in strategy.spreads}
    return Line(
        strategy.name,
        tuple(places[key] for key in known),
        tuple(each.mean for each in known.values()),
        bounds=tuple(each.interval for each in known.values()),
    )


def _bounds(found: Comparison) -> tuple[str, str]:
    """Headings of the two ends of an interval; apart, each can be sorted, and is exact in a file."""
    share = f"{100 * found.confidence:g} %"
    return f"{share} from", f"{share} to"


def _cell(key: str, value: float | None, *, signed: bool = False) -> Cell:
    """A figure in percent or points; a metric of one's own as it is."""
    known = finite(value)
    if known is None:
        return figure(None)
    if named(key).unit == "percent":
        return Cell(points(known), known) if signed else figure(known)
    return Cell(f"{known:{'+' if signed else ''}.4g}", known)


def _tests(tested: Tested, *, corrected: bool) -> Iterator[Cell]:
    found = tested.difference
    values = (found.t_test, tested.t_test_holm, found.sign_flips, tested.sign_flips_holm)
    yield from (Cell(p_value(p), p) for p in (values if corrected else values[::2]))
