from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clsim.report.compatibility import (
    compatibility_figures,
    diagnostic_sentences,
    replaced_versions,
    replacement_sentences,
)

Make = Callable[..., Any]


def test_every_figure_of_the_last_version(compatible: Make) -> None:
    assert compatibility_figures(compatible()["sessions"][-1]["compatibility"]) == [
        ("self-test", "77.16%"),
        ("AC", "95.24%"),
        ("compatible pairs", "20 of 21"),
        ("AM", "68.90%"),
        ("points over first", "+4.25"),
        ("BC in points", "+2.47"),
        ("update gain", "47.22%"),
        ("negative flips", "3.72%"),
        ("positive flips", "6.41%"),
        ("own class nearer", "61.23%"),
        ("others farther", "52.34%"),
    ]


def test_what_is_null_is_left_out(compatible: Make) -> None:
    first = compatible(1)["sessions"][0]["compatibility"]
    assert compatibility_figures(first) == [("self-test", "58.89%"), ("AM", "58.89%")]
    assert compatibility_figures(None) == compatibility_figures({}) == []
    assert compatibility_figures({"self_test": 0.0}) == [("self-test", "0.00%")]


def test_further_criteria_and_what_a_model_says_of_itself() -> None:
    figures = compatibility_figures({"self_test": 0.5, "also": {"cmc@5": [0.25, 0.75], "map": [0.125]}})
    assert figures[1:] == [
        ("cmc@5, gallery before / own", "25.00% / 75.00%"),
        ("map, own gallery", "12.50%"),
    ]
    assert diagnostic_sentences({"diagnostics": {"orthogonality_error": 2.44e-7}}) == ["orthogonality error 2.4e-07"]
    assert diagnostic_sentences({"diagnostics": {}}) == diagnostic_sentences({}) == []


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"after_iterations": 120, "seconds": 12.3}, "model replaced by v2 after 120 iterations, 12 s in"),
        ({"after_iterations": 1, "seconds": 0.04}, "model replaced by v2 after 1 iteration, 0.0 s in"),
        ({"after_iterations": 1200, "seconds": None}, "model replaced by v2 after 1,200 iterations"),
        ({"after_iterations": 0, "seconds": 0.0}, "model replaced by v2 before the session"),
        ({"after_iterations": 0, "projection": "own"}, "model replaced by v2 before the session"),
        (
            {"after_iterations": 0, "projection": "fitted"},
            "model replaced by v2 before the session, its projection into the simplex fitted here",
        ),
    ],
)
def test_when_a_model_was_replaced(item: dict[str, Any], sentence: str) -> None:
    assert replacement_sentences({"replaced_by": "v2", "replacements": [{"model": "v2", **item}]}) == [sentence]


def test_each_replacement_is_told_and_a_name_is_one_line() -> None:
    both = [{"model": name, "after_iterations": 3, "seconds": 1.0} for name in ("a", "b\n\x1b[2J")]
    assert replacement_sentences({"replaced_by": "b", "replacements": both}) == [
        "model replaced by a after 3 iterations, 1.0 s in",
        "model replaced by b\\n\\x1b[2J after 3 iterations, 1.0 s in",
    ]
    assert replacement_sentences({"replaced_by": "b"}) == ["model replaced by b"]
    assert replacement_sentences({"replaced_by": None, "replacements": []}) == replacement_sentences({}) == []


def test_versions_of_sessions_with_a_replacement(compatible: Make, results: Make) -> None:
    assert replaced_versions(compatible()["sessions"]) == {0, 2, 4}
    assert replaced_versions(results(3)["sessions"]) == frozenset()
