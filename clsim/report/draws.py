"""Figures over the draws of a run, for the console and the page."""

from __future__ import annotations

from clsim.experiment.events import DrawEnded, Results
from clsim.report.table import NOTHING, Cell, Table, exact, of_rows, words
from clsim.results.figures import CUSTOM, figure, session_of
from clsim.utils.numbers import finite, percent


def draw_line(event: DrawEnded) -> str:
    """Return one line about a draw that ended."""
    final = (event.results.get("summary") or {}).get("final_accuracy")
    return f"draw {event.number} of {event.draws}: final accuracy {percent(final)}"


def draws_table(results: Results) -> Table:
    """Return mean, deviation and interval of the figures of whole runs over the draws; no rows without draws.

    Args:
        results: Content of ``results.json``.

    """
    block = results.get("draws") or {}
    confidence = 100 * (finite(block.get("confidence")) or 0.0)
    headings = ("figure", "draws", "mean", "deviation", f"{confidence:g} % interval", "this run")
    rows = []
    for key, found in (block.get("figures") or {}).items():
        if session_of(key) is not None:
            continue
        low, high = (_cell(key, end) for end in found["interval"] or (None, None))
        interval = NOTHING if low.value is None else Cell(f"{low.text} to {high.text}", low.value)
        own = figure(key).of_run(results)
        texts = words(figure(key).label_of_run), exact(found["n"], "count")
        rows.append((*texts, _cell(key, found["mean"]), _cell(key, found["deviation"]), interval, _cell(key, own)))
    title = f"Over {len(block.get('seeds') or ())} draws of the shots (percent)"
    return of_rows("draws", title, headings, rows, ranks=("deviation", "draws"))


def _cell(key: str, value: object) -> Cell:
    named = figure(key)
    if named.unit == "percent" and not key.startswith(CUSTOM):
        return exact(value)
    known = finite(value)
    return NOTHING if known is None else Cell(named.text(known), known)
