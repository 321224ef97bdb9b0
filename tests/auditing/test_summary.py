"""The short texts on an audit."""

from __future__ import annotations

import pytest
from helpers.audits import UNKIND, made_audit, real_audit, unkind_audit

from clsim.auditing import Verdict
from clsim.auditing.summary import bound_sentence, compared, headline


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict("do_nothing", "", "do_nothing"), "Do nothing"),
        (Verdict("swap", "", "naive_swap"), "Swap the model and keep the stored vectors"),
        (Verdict("bridge", "", "bridge_query", "ridge"), "Bridge the queries with ridge"),
        (Verdict("map_gallery", "", "map_gallery", "fct"), "Map the gallery with fct"),
        (Verdict("reindex", "", "full_reindex"), "Re-index everything"),
        (
            Verdict("migrate", "", "partial_reindex_popular_first", None, 0.4),
            "Re-index 40% of the items, popular first",
        ),
        (
            Verdict("cannot_tell", "", "full_reindex", None, None, "bridge_query", 2500),
            "Cannot tell: perhaps bridge the queries with ridge; to be safe, re-index everything"
            " (about 2,500 queries would decide)",
        ),
        (
            Verdict("cannot_tell", "", "full_reindex", None, None, "do_nothing", 50_000_000),
            "Cannot tell: perhaps do nothing; to be safe, re-index everything",
        ),
        (
            Verdict("cannot_tell", "", "full_reindex", None, None, "do_nothing"),
            "Cannot tell: perhaps do nothing; to be safe, re-index everything",
        ),
    ],
)  # fmt: skip
def test_the_first_line_answers_the_question(verdict: Verdict, words: str) -> None:
    audit = made_audit(verdict)
    assert headline(audit.to_dict()) == words
    assert str(audit).splitlines()[0] == words


def test_a_short_table_has_one_row_for_each_arrangement_that_a_verdict_weighs() -> None:
    rows = compared(made_audit().to_dict())
    assert [(row["name"], row["bridge"]) for row in rows] == [
        ("do_nothing", None),
        ("naive_swap", None),
        ("bridge_query", "ridge"),
        ("partial_reindex_popular_first", "ridge"),  # it keeps more than the random order
        ("full_reindex", None),
    ]
    chosen = made_audit(Verdict("migrate", "", "partial_reindex_random", "ridge", 0.5))
    assert "partial_reindex_random" in [row["name"] for row in compared(chosen.to_dict())]


def test_a_summary_has_about_ten_lines_with_the_figures() -> None:
    lines = str(made_audit()).splitlines()
    assert lines[1] == "It keeps enough."
    (row,) = (line for line in lines[2:] if line.startswith("bridge the queries"))
    assert row.split() == ["bridge", "the", "queries", "ridge", "87.00%", "86.00%", "to", "88.00%", "96.7%", "0"]
    assert lines[-1].startswith("Procrustes bound")
    assert len(str(real_audit()).splitlines()) <= 12


def test_a_notebook_shows_names_as_text() -> None:
    text = unkind_audit()._repr_html_()
    assert "<img" not in text and "&lt;img" in text
    assert "<td>87.00%</td>" in made_audit()._repr_html_()


def test_the_bound_is_stated_only_where_it_says_something() -> None:
    assert "0.904" in bound_sentence({"informative": True, "cosine": 0.9042})
    assert "0.904" not in bound_sentence({"informative": False, "cosine": 0.9042})
    assert UNKIND not in str(made_audit())
