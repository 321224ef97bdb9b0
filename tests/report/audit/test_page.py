"""The page of an audit says what audit.json says, obeys nothing in it, and asks the network for nothing."""

from __future__ import annotations

import re

from helpers.audits import UNKIND, made_audit, real_audit, unkind_audit
from helpers.read_page import Page

from clsim.auditing import Verdict
from clsim.report.audit.page import audit_page


def test_the_answer_is_the_heading_and_the_reason_follows() -> None:
    text = audit_page(made_audit())
    assert "<h1>Bridge the queries with ridge</h1>" in text
    assert "It keeps enough." in text
    found = Page(text)
    assert found.headlines["audit"]["recall@10: bridge the queries"] == 0.87
    assert found.headlines["audit"]["of the re-indexed quality is kept"] == 0.87 / 0.9


def test_tables_hold_every_arrangement_and_bridge() -> None:
    audit, found = real_audit(), Page(audit_page(real_audit()))
    table = found.tables["audit", "arrangements"]
    assert table.column("recall@10") == [each.figures["recall@10"].value for each in audit.arrangements]
    assert table.column("kept") == [each.kept.value for each in audit.arrangements]
    assert table.column("overlap@10") == [each.figures["overlap@10"].value for each in audit.arrangements]
    bridges = found.tables["audit", "bridges"]
    assert bridges.column("recall@10 on validation") == [each.validation for each in audit.bridges]
    settings = {row[0][0]: row[1][0] for row in found.tables["audit", "settings"].rows}
    assert settings["keep"] == "0.95" and settings["prices items"] == "1000000"
    assert "2 duplicate rows were kept." in found.text


def test_curves_are_drawn_with_the_level_that_is_enough() -> None:
    audit, found = real_audit(), Page(audit_page(real_audit()))
    lines = found.lines("audit", "reindexing")
    curve = audit.arrangement("partial_reindex_random").curve
    assert curve is not None and lines["random order"] == list(curve.values)
    enough = 0.95 * audit.arrangement("full_reindex").figures["recall@10"].value
    assert lines["95% of re-indexing everything"] == [enough, enough]
    assert found.tables["audit", "areas"].column("area")[0] == curve.area


def test_a_section_without_content_is_absent() -> None:
    assert ("audit", "indexes") not in Page(audit_page(made_audit())).tables
    assert "What the index does" not in audit_page(made_audit())
    assert ("audit", "indexes") in Page(audit_page(unkind_audit())).tables
    bare = made_audit(bridges=(), arrangements=made_audit().arrangements[:3] + made_audit().arrangements[-1:])
    assert not {("audit", "bridges"), ("audit", "reindexing")} & set(Page(audit_page(bare)).tables)


def test_nothing_in_a_name_is_obeyed() -> None:
    text = audit_page(unkind_audit())
    found = Page(text)
    assert not [tag for tag, _ in found.tags if tag == "img"]
    assert not [key for _, given in found.tags for key in given if key.startswith("on")]
    assert "\x1b" not in text and "\u202e" not in text
    assert "{{ 7 * 7 }}" in found.text and "49" not in found.texts
    names = [trace["name"] for chart in found.charts.values() for trace in chart["data"]]
    assert any("&lt;img" in name for name in names) and not any("<img" in name for name in names)
    assert UNKIND[:10] in found.text


def test_it_asks_the_network_for_nothing() -> None:
    found = Page(audit_page(real_audit()))
    asked = [given[key] or "" for _, given in found.tags for key in ("src", "href", "action", "data") if key in given]
    assert all(address.startswith("data:") for address in asked)
    assert not re.search(r"url\(|@import|https?:", found.styles)


def test_equal_audits_give_equal_pages() -> None:
    assert audit_page(real_audit()) == audit_page(real_audit())


def test_an_open_verdict_is_a_heading_too() -> None:
    verdict = Verdict("cannot_tell", "Maybe.", "full_reindex", undecided="bridge_query", queries_needed=2500)
    text = audit_page(made_audit(verdict))
    assert "<h1>Cannot tell: perhaps bridge the queries with ridge; to be safe, re-index everything" in text
