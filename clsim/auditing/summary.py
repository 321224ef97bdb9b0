"""Short texts on an audit, from the content of ``audit.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

Content = Mapping[str, Any]

LABELS = {
    "do_nothing": "do nothing",
    "naive_swap": "naive swap",
    "bridge_query": "bridge the queries",
    "map_gallery": "map the gallery",
    "cascade": "cascade",
    "two_indexes_rank_merge": "two indexes, rank merge",
    "mixed_index_calibrated": "mixed index, calibrated",
    "mixed_index_rrf": "mixed index, rank fusion",
    "partial_reindex_random": "partial, random",
    "partial_reindex_uncertain_first": "partial, uncertain first",
    "partial_reindex_popular_first": "partial, popular first",
    "full_reindex": "re-index everything",
}
"""Arrangements in words."""
MOST_QUERIES = 1_000_000
"""Queries above which their number is no advice: the figure is at its threshold."""
PARTIAL = "partial_reindex_"
STEPS = ("two_indexes_rank_merge", "mixed_index_calibrated", "mixed_index_rrf")
"""Arrangements of a migration under way, which no verdict chooses."""


def label(name: str) -> str:
    """Return the name of an arrangement in words.

    Example:
        >>> label("map_gallery"), label("another_one")
        ('map the gallery', 'another one')

    """
    return LABELS.get(name, name.replace("_", " "))


def headline(content: Content) -> str:
    """Return the verdict in words.

    Example:
        >>> verdict = {"choice": "bridge", "arrangement": "bridge_query", "bridge": "procrustes"}
        >>> headline({"verdict": verdict})
        'Bridge the queries with procrustes'

    """
    verdict = content["verdict"]
    safe = advice(verdict["arrangement"], verdict.get("bridge"), verdict.get("fraction"))
    if verdict["choice"] != "cannot_tell":
        return safe[:1].upper() + safe[1:]
    undecided, needed = verdict.get("undecided"), verdict.get("queries_needed")
    of_name = (each for each in content["arrangements"] if each["name"] == undecided)
    maybe = f"perhaps {advice(undecided, next(of_name)['bridge'])}; to be safe, {safe}" if undecided else safe
    more = f" (about {needed:,} queries would decide)" if needed and needed <= MOST_QUERIES else ""
    return f"Cannot tell: {maybe}{more}"


def advice(name: str, bridge: str | None, fraction: float | None = None) -> str:
    """Return an arrangement as an instruction.

    Args:
        name: Name of the arrangement.
        bridge: Bridge in it.
        fraction: Fraction of the items to re-index, where that is known.

    Example:
        >>> advice("partial_reindex_uncertain_first", "ridge", 0.4)
        're-index 40% of the items, uncertain first, and bridge to the others with ridge'
        >>> advice("cascade", None)
        'search the old index, then rank again by the new model'

    """
    with_bridge = f" with {bridge}" if bridge else ""
    if name.startswith(PARTIAL):
        order = name.removeprefix(PARTIAL).replace("_", " ")
        order = "in random order" if order == "random" else order
        what = "a part" if fraction is None else f"{fraction:.0%}"
        others = f", and bridge to the others{with_bridge}" if bridge else ""
        return f"re-index {what} of the items, {order}{others}"
    if name == "naive_swap":
        return "swap the model and keep the stored vectors"
    if name == "cascade":
        return "search the old index, then rank again by the new model"
    return f"{label(name)}{with_bridge}"


def compared(content: Content) -> list[Content]:
    """Return the arrangements that a verdict weighs: each with its best bridge, and the best order of re-indexing.

    Example:
        >>> found = [{"name": "map_gallery", "bridge": bridge} for bridge in ("ridge", "procrustes")]
        >>> compared({"arrangements": found, "verdict": {"arrangement": "map_gallery"}})
        [{'name': 'map_gallery', 'bridge': 'ridge'}]

    """
    chosen = content["verdict"]["arrangement"]
    first = list({each["name"]: each for each in reversed(content["arrangements"])}.values())[::-1]
    orders = [each for each in first if each["name"].startswith(PARTIAL)]
    best = max(orders, key=lambda each: (each["name"] == chosen, each["kept"]["value"]), default=None)
    left_out = {*STEPS, *(each["name"] for each in orders if each is not best)} - {chosen}
    return [each for each in first if each["name"] not in left_out]


def bound_sentence(bound: Content) -> str:
    """Return what the Procrustes bound says.

    Example:
        >>> bound_sentence({"informative": True, "cosine": 0.9042})
        'Procrustes bound: the best rotation reaches a mean cosine of at least 0.904.'

    """
    if bound.get("informative") and isinstance(bound.get("cosine"), float):
        return f"Procrustes bound: the best rotation reaches a mean cosine of at least {bound['cosine']:.3f}."
    return "Procrustes bound: it excludes nothing, so a rotation may fail."


def summary(content: Content) -> str:
    """Return an audit in about ten lines of plain text."""
    lines = [headline(content), content["verdict"]["because"]]
    rows = list(_rows(content))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [text.rjust(width) for text, width in zip(row, widths, strict=True)]
        cells[:2] = (text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True))
        lines.append("  ".join(cells).rstrip())
    return "\n".join([*lines, bound_sentence(content["bound"])])


def summary_html(content: Content) -> str:
    """Return an audit as a piece of HTML for a notebook; every name is escaped."""
    first, *rows = _rows(content)
    body = "".join(_html_row("td", row) for row in rows)
    return (
        f"<p><strong>{escape(headline(content))}</strong></p><p>{escape(content['verdict']['because'])}</p>"
        f"<table><thead>{_html_row('th', first)}</thead><tbody>{body}</tbody></table>"
        f"<p>{escape(bound_sentence(content['bound']))}</p>"
    )


def _html_row(tag: str, row: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(text)}</{tag}>' for text in row)}</tr>"


def _rows(content: Content) -> Iterator[tuple[str, ...]]:
    """Yield headings, then a row for each compared arrangement."""
    primary = content["primary"]
    yield "arrangement", "bridge", primary, "interval", "kept", "items to embed"
    for each in compared(content):
        figure = each["figures"][primary]
        interval = f"{figure['low']:.2%} to {figure['high']:.2%}"
        kept, items = f"{each['kept']['value']:.1%}", f"{each['cost']['embedded_items']:,}"
        yield label(each["name"]), each["bridge"] or "-", f"{figure['value']:.2%}", interval, kept, items
