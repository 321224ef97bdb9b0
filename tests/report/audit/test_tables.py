"""Tables of an audit: the figures of the record, in every format, whatever the names."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import Any

import pytest
from helpers.audits import made_audit, real_audit, unkind_audit

from clsim.auditing import Verdict
from clsim.report.audit.tables import (
    arrangements_table,
    audit_tables,
    chosen_row,
    compact_table,
    exact_table,
    facts_table,
    indexes_table,
    rows_table,
    tables_of,
)
from clsim.report.table import DASH
from clsim.utils.errors import ArgumentError


def test_the_csv_holds_the_exact_figures_of_the_record() -> None:
    audit = real_audit()
    rows = list(csv.DictReader(io.StringIO(audit_tables(audit, "csv"))))
    assert len(rows) == len(audit.arrangements)
    for row, each in zip(rows, audit.arrangements, strict=True):
        assert (row["arrangement"], row["bridge"]) == (each.name, each.bridge or "")
        for name, estimate in {**each.figures, "kept": each.kept, "gain": each.gain}.items():
            assert [float(row[f"{name}{end}"]) for end in ("", "_low", "_high")] == list(estimate)
        assert int(row["embedded_items"]) == each.cost.embedded_items
        assert int(row["stored_bytes"]) == each.cost.stored_bytes
        assert float(row["query_ms_p50"]) == each.cost.query_ms_p50
        assert row["build_seconds"] == ("" if each.cost.build_seconds is None else repr(each.cost.build_seconds))


def test_a_paper_has_percent_with_intervals() -> None:
    table = arrangements_table(made_audit())
    row = dict(zip(table.headings, table.texts[2], strict=True))
    assert row["arrangement"] == "bridge the queries" and row["bridge"] == "ridge"
    assert row["recall@10"] == "87.00 (86.00 to 88.00)"
    assert row["kept"] == "96.67 (95.67 to 97.67)"
    assert row["gain"] == "+37.00 (+36.00 to +38.00)"
    assert "price" not in row  # nobody knows it
    assert "95 % interval" in table.notes[0]
    assert [each.name for each in tables_of(real_audit())] == ["arrangements", "bridges"]
    assert "indexes" in [each.name for each in tables_of(unkind_audit())]


def test_a_figure_that_some_arrangements_lack_is_a_dash_there() -> None:
    audit = made_audit()
    first, *others = audit.arrangements
    more = replace(first, figures={**first.figures, "cmc@1": first.kept})
    table = arrangements_table(replace(audit, arrangements=(more, *others)))
    column = [row[table.headings.index("cmc@1")] for row in table.rows]
    assert column[0].value == first.kept.value
    assert {cell.text for cell in column[1:]} == {DASH}
    assert exact_table(replace(audit, arrangements=(more, *others))).headings.count("cmc@1_low") == 1


@pytest.mark.parametrize(("form", "mark"), [("latex", r"\begin{tabular}"), ("markdown", "| arrangement |")])
def test_every_format_has_every_table(form: Any, mark: str) -> None:
    text = audit_tables(real_audit(), form)
    assert text.count(mark) == (2 if form == "latex" else 1)
    assert "procrustes" in text and "Fitted bridges" in text


def test_no_name_is_obeyed() -> None:
    text = audit_tables(unkind_audit(), "latex")
    assert r"\input" not in text and "\x1b" not in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    columns = {len(re.findall(r"(?<!\\)&", line)) for line in body}
    assert len(body) > 10
    assert columns == {len(table.columns) - 1 for table in tables_of(unkind_audit())}
    marked = audit_tables(unkind_audit(), "markdown")
    assert "<img" not in marked.replace("\\<img", "")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ArgumentError):
        audit_tables(real_audit(), "html")  # type: ignore[arg-type]


def test_the_compact_table_fits_and_keeps_what_decides() -> None:
    table = compact_table(real_audit())
    assert [column.title for column in table.columns][:5] == ["arrangement", "bridge", "recall@10", "interval", "kept"]
    for width in (120, 80, 60, 45):
        fitted = table.fitted(width)
        assert fitted.width <= width
        assert fitted.headings[:3] == ("arrangement", "bridge", "recall@10")
    assert "interval" in table.fitted(80).headings and "kept" in table.fitted(80).headings


def test_the_row_of_the_verdict_is_known_unless_it_is_open() -> None:
    assert chosen_row(made_audit()) == 2
    assert chosen_row(made_audit(Verdict("cannot_tell", "", "full_reindex", undecided="bridge_query"))) is None


def test_rows_of_any_keys_make_a_table() -> None:
    rows = [{"index": "flat", "recall@10": 1.0}, {"index": "hnsw", "query_ms": 0.5, "recall@10": 0.9}]
    table = rows_table("indexes", "Indexes", rows)
    assert table.headings == ("index", "recall@10", "query ms")
    assert table.texts == [("flat", "100.00", DASH), ("hnsw", "90.00", "0.5")]
    assert indexes_table(made_audit()).rows == ()
    assert len(indexes_table(unkind_audit()).rows) == 1


def test_facts_of_nested_blocks_are_rows() -> None:
    table = facts_table("inputs", "Inputs", {"old": {"width": 5}, "names": ["a", "b"], "none": None})
    assert table.texts == [("old width", "5"), ("names", "a, b"), ("none", DASH)]
