"""The page of an audit: one HTML file in the style of the report of runs."""

from __future__ import annotations

from collections.abc import Iterator

from clsim.auditing import Audit
from clsim.auditing.summary import headline, label
from clsim.report.audit.cells import COSTS
from clsim.report.audit.sections import REINDEX, sections
from clsim.report.audit.tradeoff import TradeOff, plotted_tradeoff
from clsim.report.html.content import Chart
from clsim.report.html.page import plotted
from clsim.report.html.template import Plotters, render
from clsim.report.table import Cell, exact

PLOTTERS: Plotters = {Chart: plotted, TradeOff: plotted_tradeoff}


def audit_page(audit: Audit) -> str:
    """Return the page of an audit; every text in it is escaped.

    Example:
        >>> import clsim, numpy as np
        >>> items = np.random.default_rng(0).normal(size=(200, 8))
        >>> "<h1>Do nothing</h1>" in audit_page(clsim.audit(items, items))
        True

    """
    return render(
        "audit.html.j2",
        PLOTTERS,
        package="clsim.report.audit",
        heading=headline(audit.to_dict()),
        audit=audit,
        headlines=list(headlines(audit)),
        facts=facts(audit),
        sections=sections(audit),
    )


def headlines(audit: Audit) -> Iterator[tuple[str, Cell, str]]:
    """Yield the figures that decide: name, value and unit.

    They are the quality of doing nothing, of the choice and of re-indexing everything, and what the choice keeps and
    costs.
    """
    chosen = audit.chosen
    for name in dict.fromkeys(("do_nothing", chosen.name, REINDEX)):
        each = chosen if name == chosen.name else audit.arrangement(name)
        yield f"{audit.primary}: {label(name)}", exact(each.figures[audit.primary].value), "%"
    yield "of the re-indexed quality is kept", exact(chosen.kept.value), "%"
    for place, cost in enumerate(COSTS[:3]):
        cell = cost.cell(chosen.cost)
        if cell.value or place == 0:  # without an item, time and price say nothing
            yield cost.title, cell, ""


def facts(audit: Audit) -> dict[str, str]:
    """Return what was compared: models, items, queries and what counts as right."""
    inputs = audit.inputs
    found = {}
    for side in ("old", "new"):
        vectors = inputs.get(side)
        if isinstance(vectors, dict):
            found[f"{side} vectors"] = f"{vectors.get('name')}, {vectors.get('width')} x {vectors.get('dtype')}"
    names = {"items": "items", "queries": "queries that measure", "gallery": "items that they search"}
    for key, name in names.items():
        if isinstance(inputs.get(key), int):
            found[name] = f"{inputs[key]:,}"
    if inputs.get("right"):
        found["right answers"] = str(inputs["right"])
    return {**found, "seed": str(audit.seed)}
