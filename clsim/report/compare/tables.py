"""A comparison as tables, the same in every format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from clsim.metrics.functional.statistics import Interval
from clsim.report.compare.comparison import Comparison
from clsim.report.compare.pairs import StrategyRuns, Tested
from clsim.report.table import NOTHING, Cell, Column, Table, exact, of_rows, signed, words
from clsim.results.figures import figure, ordered, session_of
from clsim.utils.numbers import DASH, finite

BY_SESSION = {"accuracy": "Accuracy by session", "self_test": "Self-test by session"}


def tables_of(comparison: Comparison) -> list[Table]:
    """Return figures of whole runs, those by session, differences and sources; a table without rows is omitted."""
    found = [
        figures_table(comparison).known(),
        *(_by_session(comparison, kind) for kind in BY_SESSION),
        differences_table(comparison).known(),
        draws_table(comparison).known(),
        draw_differences_table(comparison).known(),
        costs_table(comparison).known(),
        _sources(comparison),
    ]
    return [table for table in found if table.rows]


def figures_table(comparison: Comparison, *, split: bool = False) -> Table:
    """Return a row for every figure of whole runs and strategy, and for every published row of another method.

    Args:
        comparison: Comparison to show.
        split: Whether an interval takes two columns, so that each end can be sorted and is exact in a file.

    """
    interval = _headings(comparison, split)
    rows = []
    for key in comparison.whole_figures:
        for strategy in comparison.strategies:
            if known := strategy.spreads.get(key):
                means = (_cell(key, known.mean), _cell(key, known.deviation), *_interval(key, known.interval, split))
                published = comparison.published_figure(strategy.name, key)
                gap = _cell(key, comparison.gap(strategy, key), difference=True)
                names = words(figure(key).label_of_run), words(strategy.name), exact(known.n, "count")
                rows.append((*names, *means, exact(published), gap))
        for name, row in comparison.other_methods.items():
            if key in row.figures:
                nothing = [NOTHING] * (3 + len(interval))
                rows.append((words(figure(key).label_of_run), words(name), *nothing, exact(row.figures[key]), NOTHING))
    headings = ("figure", "strategy", "seeds", "mean", "deviation", *interval, "published", "differs")
    notes = (*comparison.on_runs, *(f"{name}, published: {row.source}" for name, row in comparison.published.items()))
    title = "Figures over seeds (percent)"
    return of_rows("strategies", title, headings, rows, ranks=("deviation", "published", "seeds"), notes=notes)


def differences_table(comparison: Comparison, *, split: bool = False) -> Table:
    """Return a row for every figure of whole runs and pair of strategies; for `split` see :func:`figures_table`."""
    corrected = len(comparison.pairs) > 1
    rows = [
        (
            words(figure(key).label_of_run),
            words(f"{pair.first} - {pair.second}"),
            exact(tested.difference.n, "count"),
            _cell(key, tested.difference.mean, difference=True),
            _cell(key, tested.difference.deviation),
            *_interval(key, tested.difference.interval, split, difference=True),
            *_p_values(tested, corrected=corrected),
        )
        for key in comparison.whole_figures
        for pair in comparison.pairs
        if (tested := pair.figures.get(key))
    ]
    tests = ("p (t)", "Holm (t)", "p (flips)", "Holm (flips)") if corrected else ("p (t)", "p (flips)")
    headings = ("figure", "difference", "seeds", "mean", "deviation", *_headings(comparison, split), *tests)
    ranks = ("deviation", "seeds", *(("p (t)", "p (flips)") if corrected else ()))
    title, notes = "Differences between strategies (points)", comparison.on_differences
    return of_rows("differences", title, headings, rows, ranks=ranks, notes=notes)


def draws_table(comparison: Comparison, *, split: bool = False) -> Table:
    """Return a row for every figure over draws and strategy; for `split` see :func:`figures_table`."""
    rows = []
    for key in _repeated_keys(comparison):
        for strategy in comparison.strategies:
            if each := comparison.repeated[strategy.name].get(key):
                own = strategy.spreads.get(key)
                n = exact(len(strategy.runs), "count")
                names = words(figure(key).label_of_run), words(strategy.name), n, exact(each.draws, "count")
                means = (_cell(key, each.spread.mean), _cell(key, each.deviation))
                rows.append(
                    (*names, *means, *_interval(key, each.spread.interval, split), _cell(key, own and own.mean))
                )
    headings = ("figure", "strategy", "seeds", "draws", "mean", "deviation", *_headings(comparison, split), "own lists")
    title = "Figures over draws of the shots (percent)"
    return of_rows("draws", title, headings, rows, ranks=("seeds", "draws", "own lists"))


def draw_differences_table(comparison: Comparison, *, split: bool = False) -> Table:
    """Return a row for every figure over draws and pair of strategies; for `split` see :func:`figures_table`."""
    rows = [
        (
            words(figure(key).label_of_run),
            words(f"{pair.first} - {pair.second}"),
            exact(tested.n, "count"),
            _cell(key, tested.mean, difference=True),
            *_interval(key, tested.interval, split, difference=True),
            Cell(p_value(tested.t_test), tested.t_test),
        )
        for key in _repeated_keys(comparison)
        for pair in comparison.pairs_over_draws
        if (tested := pair.figures.get(key))
    ]
    headings = ("figure", "difference", "n", "mean", *_headings(comparison, split), "p (t)")
    title = "Differences over draws of the shots (points)"
    return of_rows("draw_differences", title, headings, rows, ranks=("n",))


def costs_table(comparison: Comparison) -> Table:
    """Return a row for every strategy with its costs, each the mean over the seeds."""
    keys = comparison.costs
    rows = [
        (words(strategy.name), *(_mean_cost(strategy, key) for key in keys))
        for strategy in comparison.strategies
        if any(key in strategy.spreads for key in keys)
    ]
    headings = ("strategy", *(figure(key).label for key in keys))
    return of_rows("costs", "Costs of a run (means over seeds)", headings, rows, ranks=("evaluation FLOPs",))


def _mean_cost(strategy: StrategyRuns, key: str) -> Cell:
    found = strategy.spreads.get(key)
    return NOTHING if found is None else Cell(figure(key).text(found.mean), found.mean)


def _repeated_keys(comparison: Comparison) -> list[str]:
    return ordered(key for figures in comparison.repeated.values() for key in figures)


def _by_session(comparison: Comparison, kind: str) -> Table:
    """Return a row for every session and a column for every strategy, with published rows beside ours."""
    places = {key: place[1] for key in comparison.figures if (place := session_of(key)) and place[0] == kind}
    columns = [Column("session", tuple(Cell(str(place), place) for place in places.values()), left=True)]
    for strategy in comparison.strategies:
        columns.append(Column(words(strategy.name).text, tuple(_over_seeds(strategy, key) for key in places)))
        row = comparison.published.get(strategy.name)
        if row and any(key in row.figures for key in places):
            gaps = tuple(_cell(key, comparison.gap(strategy, key), difference=True) for key in places)
            columns += [_published(strategy.name, row.figures, places), Column(f"{strategy.name} differs", gaps)]
    others = {
        name: row.figures for name, row in comparison.other_methods.items() if any(key in row.figures for key in places)
    }
    for rank, (name, figures) in enumerate(others.items()):
        columns.append(_published(name, figures, places, len(others) - rank))
    return Table(f"{BY_SESSION[kind]} (percent)", tuple(columns))


def _published(name: str, figures: Mapping[str, float], keys: Mapping[str, int], rank: int = 0) -> Column:
    return Column(f"{words(name).text}, published", tuple(exact(figures.get(key)) for key in keys), rank)


def _sources(comparison: Comparison) -> Table:
    rows = [(words(name), words(row.source)) for name, row in comparison.published.items()]
    return of_rows("sources", "Published figures", ("method", "source"), rows)


def _headings(comparison: Comparison, split: bool) -> tuple[str, ...]:
    share = f"{100 * comparison.confidence:g} %"
    return (f"{share} from", f"{share} to") if split else (f"{share} interval",)


def _interval(key: str, interval: Interval | None, split: bool, *, difference: bool = False) -> list[Cell]:
    ends = [_cell(key, bound, difference=difference)._replace(mark="") for bound in interval or (None, None)]
    if split:
        return ends
    low, high = ends
    return [NOTHING if interval is None else Cell(f"{low.text} to {high.text}", low.value)]


def _cell(key: str, value: float | None, *, difference: bool = False) -> Cell:
    """Return a figure in percent, a difference in points; others in their own unit."""
    known = finite(value)
    if known is None:
        return NOTHING
    named = figure(key)
    if named.unit == "percent":
        return signed(known, colored=named.better == "higher") if difference else exact(known)
    return Cell(named.text(known, signed=difference), known)


def _over_seeds(strategy: StrategyRuns, key: str) -> Cell:
    found = strategy.spreads.get(key)
    if found is None:
        return NOTHING
    few = f" ({found.n})" if found.n < len(strategy.runs) else ""  # a run is incomplete
    deviation = f" ± {exact(found.deviation).text}" if found.deviation is not None else ""
    return Cell(f"{exact(found.mean).text}{deviation}{few}", found.mean)


def _p_values(tested: Tested, *, corrected: bool) -> Iterator[Cell]:
    found = tested.difference
    values = (found.t_test, tested.t_test_holm, found.sign_flips, tested.sign_flips_holm)
    yield from (Cell(p_value(p), p) for p in (values if corrected else values[::2]))


def p_value(p: float | None) -> str:
    """Return a p-value as papers write it.

    Example:
        >>> p_value(0.02020410), p_value(0.00001), p_value(None)
        ('0.0202', '< 0.0001', '-')

    """
    if p is None:
        return DASH
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"
