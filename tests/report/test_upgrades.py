"""Strategies of an upgrade side by side; every expected figure is computed by hand."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from clsim.report.console.choose import make_console
from clsim.report.console.series_table import print_series
from clsim.report.upgrades import print_upgrades
from clsim.results.upgrades import further_criteria, last_upgrade

Rows = list[list[float]]


def run(
    matrix: Rows,
    seed: int = 1,
    also: dict[str, Rows] | None = None,
    flips: tuple[float, float] = (0.1, 0.2),
    **more: Any,
) -> dict[str, Any]:
    """Results as `results.json` has them, with a session for each row of the matrix."""
    sessions = [
        {
            "compatibility": {
                "self_test": row[-1],
                "cross_tests": row[:-1],
                "also": {name: rows[t] for name, rows in (also or {}).items()},
                "negative_flip_rate": flips[0] if t else None,
                "positive_flip_rate": flips[1] if t else None,
            }
        }
        for t, row in enumerate(matrix)
    ]
    padded = [[*row, *[None] * (len(matrix) - len(row))] for row in matrix]
    base = {"scenario": "shapes_upgrade", "seed": seed, "status": "complete", "sessions": sessions}
    summary = {"final_accuracy": 0.5, "average_accuracy": 0.5, "performance_drop": 0.1}
    return {**base, "summary": summary, "compatibility_matrix": padded, "matrices": {}, **more}


OCA = {"strategy": "oca", "seeds": [run([[0.5], [0.6, 0.7]]), run([[0.4], [0.4, 0.8]], 2, flips=(0.2, 0.4))]}
ALONE = {"strategy": "independent", "seeds": [run([[0.5], [0.1, 0.9]]), run([[0.4], [0.2, 0.6]], 2)]}
BCT = {"strategy": "bct", "seeds": [run([[0.5], [0.55, 0.6]])]}


def plain(rows: list[dict[str, Any]], criterion: str = "cmc@1") -> list[str]:
    stream = io.StringIO()
    print_upgrades(make_console(stream), rows, criterion)
    return [" ".join(line.split()) for line in stream.getvalue().splitlines()]


def test_figures_of_one_seed() -> None:
    title, heading, oca, alone, bct, *legend = plain([{**row, "seeds": row["seeds"][:1]} for row in (OCA, ALONE, BCT)])
    assert title == "upgrade, by cmc@1"
    assert heading == "strategy old/old new/old new/new compatible update gain negative flips positive flips"
    assert oca == "oca 50.00% 60.00% 70.00% yes 25.00% 10.00% 20.00%"  # (0.6 - 0.5) / (0.9 - 0.5)
    assert alone == "independent 50.00% 10.00% 90.00% no -100.00% 10.00% 20.00%"
    assert bct == "bct 50.00% 55.00% 60.00% yes 12.50% 10.00% 20.00%"  # 0.05 / 0.4
    assert len(legend) == 2
    assert "independent" in legend[1]


def test_seeds_are_averaged_and_every_gain_is_by_the_reference_of_its_seed() -> None:
    _, heading, oca, alone, *legend = plain([OCA, ALONE])
    assert heading.startswith("strategy seeds old/old")
    # gains 0.25 and 0 / 0.2 = 0; -0.4 / 0.4 and -0.2 / 0.2
    assert oca == (
        "oca 2 45.00 +- 7.07% 50.00 +- 14.14% 75.00 +- 7.07% 1 of 2 12.50 +- 17.68% 15.00 +- 7.07% 30.00 +- 14.14%"
    )
    assert alone == (
        "independent 2 45.00 +- 7.07% 15.00 +- 7.07% 75.00 +- 21.21% no -100.00 +- 0.00% 10.00 +- 0.00% 20.00 +- 0.00%"
    )
    assert "standard deviation (n - 1)" in legend[2]


def test_without_the_reference_there_is_no_gain() -> None:
    _, heading, _, *legend = plain([BCT])
    assert "gain" not in heading
    assert len(legend) == 1


def test_a_gain_that_cannot_be_had_is_a_dash() -> None:
    weak = {"strategy": "independent", "seeds": [run([[0.5], [0.1, 0.5]]), run([[0.4], [0.2, 0.6]], 2)]}
    _, _, oca, alone, *_ = plain([OCA, weak])  # new/new of seed 1 is not above old/old
    assert " 1 of 2 - 15.00 " in oca
    assert " no - 10.00 " in alone
    _, _, bct, *_ = plain([{"strategy": "bct", "seeds": [run([[0.5], [0.55, 0.6]], seed=3)]}, ALONE])
    assert " yes - " in bct  # the reference has no seed 3


def test_an_equal_score_is_not_compatible() -> None:
    assert " no " in plain([{"strategy": "bct", "seeds": [run([[0.5], [0.5, 0.6]])]}])[2]


def test_every_criterion_has_its_table_the_main_one_first_and_flips_are_of_that_one() -> None:
    also = {"cmc@5": [[0.7], [0.8, 0.9]], "map": [[0.3], [0.2, 0.5]]}
    lines = plain([{"strategy": "bct", "seeds": [run([[0.5], [0.6, 0.7]], also=also)]}, ALONE])
    titles = [line for line in lines if line.startswith("upgrade, by")]
    assert titles == ["upgrade, by cmc@1", "upgrade, by cmc@5", "upgrade, by map"]
    at = lines.index("upgrade, by map")
    assert lines[at + 1] == "strategy seeds old/old new/old new/new compatible update gain"
    assert lines[at + 2] == "bct 1 30.00% 20.00% 50.00% no -"
    assert lines[at + 3] == "independent 0 of 2 - - - - -"


def test_named_matrices_come_before_further_criteria_and_none_twice() -> None:
    matrices = {"cmc@1": [[0.5, None], [0.6, 0.7]], "recall@1": [[0.1, None], [0.3, 0.2]]}
    results = run([[0.5], [0.6, 0.7]], also={"map": [[0.3], [0.2, 0.5]], "recall@1": [[0.0], [0.0, 0.0]]})
    rows = [{"strategy": "bct", "seeds": [{**results, "matrices": matrices}]}]
    assert further_criteria(rows, "cmc@1") == ["recall@1", "map"]
    lines = plain(rows)
    assert lines[lines.index("upgrade, by recall@1") + 2] == "bct 10.00% 30.00% 20.00% yes"


def test_of_a_chain_the_last_upgrade_is_shown() -> None:
    chain: Rows = [[0.3], [0.35, 0.5], [0.36, 0.45, 0.6]]
    title, _, bct, *_ = plain([{"strategy": "bct", "seeds": [run(chain)]}])
    assert title == "upgrade from version 1 to 2, by cmc@1"
    assert bct == "bct 50.00% 45.00% 60.00% no 10.00% 20.00%"


def test_runs_that_did_not_end_are_counted_and_left_out() -> None:
    broken = run([[0.1], [0.1, 0.1]], status="failed")
    shorter = run([[0.2]])
    _, _, bct, *_ = plain([{"strategy": "bct", "seeds": [*BCT["seeds"], broken, shorter]}])
    assert bct == "bct 1 of 3 50.00% 55.00% 60.00% yes 10.00% 20.00%"
    chain = run([[0.3], [0.35, 0.5], [0.36, 0.45, 0.6]])
    _, _, bct, *_ = plain([{"strategy": "bct", "seeds": [chain, *BCT["seeds"]]}])
    assert bct.startswith("bct 1 of 2 50.00% 45.00%")


@pytest.mark.parametrize(
    "results", [{}, {"status": "complete"}, run([[0.5]]), run([[0.5], [float("nan"), 0.7]]), {"status": "failed"}]
)
def test_without_two_versions_there_is_nothing_to_show(results: dict[str, Any]) -> None:
    assert last_upgrade(results, None) is None
    assert last_upgrade(results, "map") is None
    assert plain([{"strategy": "bct", "seeds": [results]}]) == []


def on_terminal(rows: list[dict[str, Any]], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, record=True)
    print_upgrades(console, rows, "cmc@1")
    text = console.export_text()
    assert "…" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    return text


def test_on_a_terminal_deviations_give_way_before_flips() -> None:
    wide, usual, narrow = (on_terminal([OCA, ALONE, BCT], width) for width in (120, 80, 60))
    assert "45.00±7.07%" in wide
    assert "seeds" in wide
    assert "1 of 2" in wide
    assert "45.00%" in usual
    assert "±7.07%" in usual
    assert "negative" in usual
    assert "gain" in narrow
    assert "negative" not in narrow


def test_names_are_text_and_long_ones_are_folded() -> None:
    text = on_terminal([{**OCA, "strategy": "[red]mine"}, {**BCT, "strategy": "x" * 70}], 80)
    assert "[red]mine" in text
    assert text.count("x") == 70


def test_the_comparison_shows_upgrades_where_it_is_told_to(missing: dict[str, str]) -> None:
    rows = [{"strategy": "bct", "seeds": [{**BCT["seeds"][0], "stands_in_for": missing}]}]
    for criterion in ("cmc@1", None):
        stream = io.StringIO()
        print_series(make_console(stream), rows, upgrades_by=criterion)
        lines = stream.getvalue().splitlines()
        assert ("upgrade, by cmc@1" in lines) == (criterion is not None)
        assert lines[-1].startswith("STAND-IN:")
