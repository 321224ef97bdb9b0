"""The sections of an audit's page in reading order."""

from __future__ import annotations

from typing import NamedTuple

from clsim.auditing import Arrangement, Audit
from clsim.auditing.summary import PARTIAL, bound_sentence
from clsim.report.audit.tables import arrangements_table, bridges_table, facts_table, indexes_table
from clsim.report.audit.tradeoff import TradeOff, tradeoffs
from clsim.report.html.content import Chart, Line
from clsim.report.table import Table, exact, of_rows, words

REINDEX = "full_reindex"


class AuditSection(NamedTuple):
    """A part of the page with a heading.

    Attributes:
        title: Heading.
        parts: Charts and tables.
        notes: Sentences below the heading.

    """

    title: str
    parts: tuple[Chart | TradeOff | Table, ...]
    notes: tuple[str, ...] = ()


def sections(audit: Audit) -> list[AuditSection]:
    """Return the sections that have something to show."""
    indexes = indexes_table(audit)
    settings = {**audit.settings, "seed": audit.seed}
    facts = (
        facts_table("inputs", "Inputs", audit.inputs),
        facts_table("settings", "Settings", settings),
        facts_table("seconds", "Seconds of each stage", audit.seconds),
    )
    found = [
        AuditSection("Quality and cost", tuple(tradeoffs(audit))),
        AuditSection("While the items are re-indexed", reindexing(audit)),
        AuditSection("Arrangements", (arrangements_table(audit),)),
        AuditSection("Bridges", (bridges_table(audit),) if audit.bridges else (), (bound_sentence(audit.bound),)),
        AuditSection("What the index does", (indexes,) if indexes.rows else ()),
        AuditSection("Notes", (), audit.notes),
        AuditSection("Inputs and settings", tuple(table for table in facts if table.rows)),
    ]
    return [section for section in found if section.parts or section.notes]


def reindexing(audit: Audit) -> tuple[Chart | Table, ...]:
    """Return the curves of re-indexing and the areas under them; nothing without a curve."""
    curved = [(each, each.curve) for each in audit.arrangements if each.curve is not None]
    if not curved:
        return ()
    lines = [Line(_order(each), curve.fractions, curve.values) for each, curve in curved]
    keep = audit.settings.get("keep")
    if isinstance(keep, float):
        enough = keep * audit.arrangement(REINDEX).figures[audit.primary].value
        lines.append(Line(f"{keep:.0%} of re-indexing everything", (0.0, 1.0), (enough, enough), reference=True))
    chart = Chart(
        "reindexing", "Quality while the items are re-indexed", "share re-indexed", audit.primary, tuple(lines)
    )
    rows = [
        (
            words(_order(each)),
            words(each.bridge),
            exact(curve.area),
            *(exact(value) for value in (curve.values[0], curve.values[-1])),
        )
        for each, curve in curved
    ]
    headings = ("order", "bridge to the others", "area", "at the start", "at the end")
    return chart, of_rows("areas", "Areas under the curves", headings, rows)


def _order(each: Arrangement) -> str:
    order = each.name.removeprefix(PARTIAL).replace("_", " ")
    return "random order" if order == "random" else order
