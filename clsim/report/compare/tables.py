"""A comparison as tables of text; what stands in them is the same in every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clsim.metrics.functional.statistics import Interval
from clsim.report.compare.comparison import Comparison
from clsim.report.compare.pairs import Strategy, Tested
from clsim.report.figures import DASH, points
from clsim.results.figures import figure, session_of

BY_SESSION = {"accuracy": "accuracy by session", "self_test": "self-test by session"}


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        title: above it.
        headings: of its columns.
        rows: of cells, one for each heading.
        names: how many columns hold names; those after them hold figures.
        signs: columns of differences to be coloured: green for a gain, red for a loss.
        spare: columns that go where there is no room, the least important first.

    """

    title: str
    headings: list[str]
    rows: list[list[str]]
    names: int = 1
    signs: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()

    def without(self, heading: str) -> Table:
        """The same without a column."""
        kept = [index for index, each in enumerate(self.headings) if each != heading]
        rows = [[row[index] for index in kept] for row in self.rows]
        spare = tuple(each for each in self.spare if each != heading)
        return Table(self.title, [self.headings[i] for i in kept], rows, self.names, self.signs, spare)


def tables_of(comparison: Comparison) -> list[Table]:
    """Figures of whole runs, those by session, and differences; those that have no row are left out."""
    found = [
        _figures(comparison),
        *(_by_session(comparison, kind) for kind in BY_SESSION),
        _differences(comparison),
        _sources(comparison),
    ]
    return [table for table in found if table.rows]


def _figures(comparison: Comparison) -> Table:
    """A row for every figure and strategy, and one for every published row of another method."""
    interval = f"{100 * comparison.confidence:g} % interval"
    headings = ["figure", "strategy", "seeds", "mean", "deviation", interval, "published", "differs"]
    rows = []
    for key in (key for key in comparison.figures if session_of(key) is None):
        for strategy in comparison.strategies:
            if found := strategy.spreads.get(key):
                row = comparison.published.get(strategy.name)
                rows.append(
                    [
                        figure(key).label_of_run,
                        strategy.name,
                        str(found.n),
                        _figure(key, found.mean),
                        _figure(key, found.deviation),
                        _interval(key, found.interval),
                        _percent(row.figures.get(key) if row else None),
                        points(comparison.gap(strategy, key)),
                    ]
                )
        ran = {strategy.name for strategy in comparison.strategies}
        for name, row in comparison.published.items():
            if name not in ran and key in row.figures:
                rows.append([figure(key).label_of_run, name, DASH, *[DASH] * 3, _percent(row.figures[key]), DASH])
    table = Table(
        "figures (percent)", headings, rows, names=2, signs=("differs",), spare=("deviation", "published", "seeds")
    )
    for heading in headings[4:]:
        if all(row[table.headings.index(heading)] == DASH for row in table.rows):
            table = table.without(heading)
    return table


def _by_session(comparison: Comparison, kind: str) -> Table:
    """A row for every session, a column for every strategy; published rows beside ours."""
    keys = [key for key in comparison.figures if (place := session_of(key)) is not None and place[0] == kind]
    columns = [("session", [str(place[1]) for key in keys if (place := session_of(key))])]
    signs = []
    for strategy in comparison.strategies:
        columns.append((strategy.name, [_over_seeds(strategy, key) for key in keys]))
        row = comparison.published.get(strategy.name)
        if row and any(key in row.figures for key in keys):
            signs.append(f"{strategy.name} differs")
            columns.append((f"{strategy.name}, published", [_percent(row.figures.get(key)) for key in keys]))
            columns.append((signs[-1], [points(comparison.gap(strategy, key)) for key in keys]))
    ran = {strategy.name for strategy in comparison.strategies}
    rows_of_others = {name: row.figures for name, row in comparison.published.items() if name not in ran}
    others = {f"{name}, published": row for name, row in rows_of_others.items() if any(key in row for key in keys)}
    columns += [(heading, [_percent(row.get(key)) for key in keys]) for heading, row in others.items()]
    headings, cells = [heading for heading, _ in columns], [column for _, column in columns]
    rows = [list(row) for row in zip(*cells, strict=True)]
    return Table(f"{BY_SESSION[kind]} (percent)", headings, rows, signs=tuple(signs), spare=tuple(others))


def _differences(comparison: Comparison) -> Table:
    """A row for every figure and pair of strategies, of whole runs alone."""
    interval = f"{100 * comparison.confidence:g} % interval"
    several = len(comparison.pairs) > 1
    tests = ["p (t)", *(["Holm (t)"] if several else []), "p (flips)", *(["Holm (flips)"] if several else [])]
    headings = ["figure", "difference", "seeds", "mean", "deviation", interval, *tests]
    rows = []
    for key in (key for key in comparison.figures if session_of(key) is None):
        for pair in comparison.pairs:
            if tested := pair.figures.get(key):
                found = tested.difference
                rows.append(
                    [
                        figure(key).label_of_run,
                        f"{pair.first} - {pair.second}",
                        str(found.n),
                        _figure(key, found.mean, signed=True),
                        _figure(key, found.deviation),
                        _interval(key, found.interval, signed=True),
                        *_p_values(tested, several=several),
                    ]
                )
    spare = ("deviation", "seeds", *(("p (t)", "p (flips)") if several else ()))
    return Table("differences (points)", headings, rows, names=2, signs=("mean",), spare=spare)


def _p_values(tested: Tested, *, several: bool) -> list[str]:
    found = tested.difference
    if several:
        return [*map(p_value, (found.t_test, tested.t_test_holm, found.sign_flips, tested.sign_flips_holm))]
    return [p_value(found.t_test), p_value(found.sign_flips)]


def _sources(comparison: Comparison) -> Table:
    rows = [[name, row.source] for name, row in comparison.published.items()]
    return Table("published", ["method", "source"], rows, names=2)


def _over_seeds(strategy: Strategy, key: str) -> str:
    found = strategy.spreads.get(key)
    if found is None:
        return DASH
    few = f" ({found.n})" if found.n < len(strategy.runs) else ""  # of a run that is not complete
    return _percent(found.mean) + (f" ± {_percent(found.deviation)}" if found.deviation is not None else "") + few


def _percent(fraction: float | None) -> str:
    return DASH if fraction is None else f"{100 * fraction:.2f}"


def _figure(key: str, value: float | None, *, signed: bool = False) -> str:
    """In percent or points with two decimals; a metric of one's own as it is."""
    if value is None:
        return DASH
    if figure(key).unit == "percent":
        return points(value) if signed else _percent(value)
    return f"{value:+.4g}" if signed else f"{value:.4g}"


def _interval(key: str, interval: Interval | None, *, signed: bool = False) -> str:
    return DASH if interval is None else " to ".join(_figure(key, bound, signed=signed) for bound in interval)


def p_value(p: float | None) -> str:
    """As papers write it.

    Example:
        >>> p_value(0.02020410), p_value(0.00001), p_value(None)
        ('0.0202', '< 0.0001', '-')

    """
    if p is None:
        return DASH
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def columns_of(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Characters that each column needs."""
    return [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
