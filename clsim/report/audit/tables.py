"""The tables of an audit, the same in every format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from clsim.auditing import Arrangement, Audit
from clsim.auditing.summary import compared, label
from clsim.report.audit.cells import COSTS, by_key, interval, with_interval
from clsim.report.export import comma_separated, latex, markdown
from clsim.report.table import Cell, Table, exact, of_rows, signed, words
from clsim.results.differences import flat
from clsim.utils.errors import ArgumentError

Format = Literal["latex", "markdown", "csv"]
SHORT_COSTS = ("embedded_items", "embed_seconds", "embed_money", "query_ms_p50")
"""Costs on the console."""
RANKS = ("embedding\ntime", "gain", "ms per query,\np50", "price", "items\nto embed", "kept", "interval")
"""Columns that a narrow console drops, the first to go first."""


def audit_tables(audit: Audit, form: Format) -> str:
    """Return the tables of an audit for a paper.

    Args:
        audit: Audit.
        form: ``latex`` and ``markdown`` give all arrangements, bridges and index effects. ``csv`` gives the
            arrangements alone, with exact values under the names of ``audit.json``.

    Raises:
        ArgumentError: The format is unknown.

    Example:
        >>> import clsim, numpy as np
        >>> items = np.random.default_rng(0).normal(size=(200, 8))
        >>> audit_tables(clsim.audit(items, items), "csv").split(",")[:4]
        ['arrangement', 'bridge', 'queries', 'recall@10']

    """
    if form not in get_args(Format):
        raise ArgumentError(f"no tables in the format {form!r}", fix=f"There are {', '.join(get_args(Format))}.")
    if form == "csv":
        return comma_separated(exact_table(audit))
    write = latex if form == "latex" else markdown
    return "\n".join(write(table) for table in tables_of(audit))


def tables_of(audit: Audit) -> list[Table]:
    """Return the tables of a paper; a table without rows is omitted."""
    found = (arrangements_table(audit), bridges_table(audit), indexes_table(audit))
    return [table for table in found if table.rows]


def arrangements_table(audit: Audit) -> Table:
    """Return a row for every arrangement and bridge, with all figures, their intervals and the costs."""
    primary, *others = figure_names(audit)
    rows = []
    for each in audit.arrangements:
        names = words(label(each.name)), words(each.bridge)
        decisive = with_interval(each.figures.get(primary)), with_interval(each.kept), _gain(each)
        costs = (cost.cell(each.cost) for cost in COSTS)
        figures = (with_interval(each.figures.get(name)) for name in others)
        rows.append((*names, *decisive, *costs, *figures, exact(each.queries, "count")))
    headings = ("arrangement", "bridge", primary, "kept", "gain", *(cost.title for cost in COSTS), *others, "queries")
    confidence = 100 * float(audit.settings.get("confidence", 0.95))
    notes = (
        f"Figures in percent, gain in points, each with its {confidence:g} % interval.",
        f"Kept: {primary} divided by that of re-indexing everything. Gain: {primary} minus that of doing nothing.",
    )
    return of_rows("arrangements", "All arrangements and bridges", headings, rows, notes=notes).known()


def exact_table(audit: Audit) -> Table:
    """Return the same with an end of an interval in each column, under the names of ``audit.json``."""
    names = figure_names(audit)
    rows = []
    for each in audit.arrangements:
        estimates = [*(each.figures.get(name) for name in names), each.kept, each.gain]
        ends = [end for estimate in estimates for end in (estimate or (None, None, None))]
        numbers = (each.queries, *ends, *(getattr(each.cost, cost.key) for cost in COSTS))
        rows.append((words(each.name), words(each.bridge), *map(_number, numbers)))
    headings = [f"{name}{end}" for name in (*names, "kept", "gain") for end in ("", "_low", "_high")]
    columns = ("arrangement", "bridge", "queries", *headings, *(cost.key for cost in COSTS))
    return of_rows("arrangements", "All arrangements and bridges", columns, rows)


def compact_table(audit: Audit) -> Table:
    """Return a row for each arrangement that the verdict weighs, with its best bridge."""
    content = audit.to_dict()
    known = [audit.arrangement(each["name"], each["bridge"]) for each in compared(content)]
    costs = [cost for cost in COSTS if cost.key in SHORT_COSTS]
    rows = [
        (
            words(label(each.name)),
            words(each.bridge),
            exact(each.figures[audit.primary].value),
            interval(each.figures[audit.primary]),
            exact(each.kept.value),
            signed(each.gain.value),
            *(cost.cell(each.cost) for cost in costs),
        )
        for each in known
    ]
    headings = ("arrangement", "bridge", audit.primary, "interval", "kept", "gain", *(each.heading for each in costs))
    return of_rows("compared", "Arrangements (percent, gain in points)", headings, rows, ranks=RANKS).known()


def chosen_row(audit: Audit) -> int | None:
    """Return the row of the verdict's arrangement in the compact table; None if the verdict is open."""
    if audit.verdict.choice == "cannot_tell":
        return None
    names = [each["name"] for each in compared(audit.to_dict())]
    return names.index(audit.verdict.arrangement)


def bridges_table(audit: Audit) -> Table:
    """Return a row for every fitted bridge."""
    rows = [
        (
            words(each.name),
            words(each.side),
            exact(each.validation),
            exact(each.cosine, "number"),
            by_key("seconds", each.seconds),
        )
        for each in audit.bridges
    ]
    headings = ("bridge", "maps", f"{audit.primary} on validation", "cosine on validation", "time to fit")
    return of_rows("bridges", "Fitted bridges", headings, rows)


def indexes_table(audit: Audit) -> Table:
    """Return the effects of approximate indexes: a row for each, a column for each key that a row has."""
    return rows_table("indexes", "Approximate indexes and shortened vectors", audit.indexes)


def rows_table(name: str, title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of mappings; columns are in the order in which their keys appear.

    Args:
        name: Name of the files made of it.
        title: Caption.
        rows: Mappings of texts, numbers, intervals or lists.

    Example:
        >>> rows_table("t", "t", [{"index": "flat", "recall@10": 1.0}, {"index": "hnsw", "items": 5}]).texts
        [('flat', '100.00', '-'), ('hnsw', '-', '5')]

    """
    keys = list(dict.fromkeys(key for row in rows for key in row))
    body = [[by_key(key, row.get(key)) for key in keys] for row in rows]
    return of_rows(name, title, [heading(key) for key in keys], body)


def facts_table(name: str, title: str, facts: Mapping[str, Any]) -> Table:
    """Return a row for every fact of nested blocks."""
    rows = [(words(heading(key)), words(_fact(value))) for key, value in flat(facts).items()]
    return of_rows(name, title, ("fact", "value"), rows)


def heading(key: str) -> str:
    """Return a key as a heading.

    Example:
        >>> heading("query_ms_p50"), heading("old.name")
        ('query ms p50', 'old name')

    """
    return words(key.replace("_", " ").replace(".", " ")).text


def figure_names(audit: Audit) -> list[str]:
    """Return the names of the figures, the primary one first."""
    names = dict.fromkeys(name for each in audit.arrangements for name in each.figures)
    return [audit.primary, *(name for name in names if name != audit.primary)]


def _number(value: float | None) -> Cell:
    return exact(value, "count" if isinstance(value, int) else "number")


def _gain(each: Arrangement) -> Cell:
    value = signed(each.gain.value)
    return value._replace(text=f"{value.text} ({interval(each.gain, points=True).text})")


def _fact(value: Any) -> str | None:
    if value is None:
        return None
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
