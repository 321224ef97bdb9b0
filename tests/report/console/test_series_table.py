from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from clsim.report.console.choose import make_console
from clsim.report.console.series_table import print_series


def run(final: float, **others: Any) -> dict[str, Any]:
    summary = {"final_accuracy": final, "average_accuracy": final + 0.05, "performance_drop": 0.1}
    return {"scenario": "cifar_fscil", "status": "complete", "summary": summary, **others}


ROWS = [
    {"strategy": "cpe_clip", "seeds": [run(0.70), run(0.72), run(0.74)]},
    {"strategy": "fine_tune", "seeds": [run(0.40), run(0.42), {"status": "failed", "summary": {}}]},
    {"strategy": "[red]mine", "seeds": [run(0.75)]},
    {"strategy": "broken", "seeds": [{"status": "failed"}]},
]


def plain(rows: list[dict[str, Any]]) -> list[str]:
    stream = io.StringIO()
    print_series(make_console(stream), rows)
    return stream.getvalue().splitlines()


def test_means_deviations_and_differences() -> None:
    scenario, heading, first, second, third, fourth, spread = plain(ROWS)
    assert scenario == "cifar_fscil"
    assert heading.split("  ")[-1] == "to first (points)"
    assert [" ".join(line.split()) for line in (first, second, third, fourth)] == [
        "cpe_clip 3 72.00 +- 2.00% 77.00 +- 2.00% 10.00 +- 0.00% - -",
        "fine_tune 2 of 3 41.00 +- 1.41% 46.00 +- 1.41% 10.00 +- 0.00% - -31.00",
        "[red]mine 1 75.00% 80.00% 10.00% - +3.00",
        "broken 0 of 1 - - - - -",
    ]
    assert "n - 1" in spread


def test_single_seeds_have_no_deviation() -> None:
    assert "+-" not in "".join(plain(ROWS[2:3]))
    assert len(plain(ROWS[2:3])) == 3


def test_the_stand_in_is_said_last(missing: dict[str, str]) -> None:
    lines = plain([{"strategy": "cpe_clip", "seeds": [run(0.7, scenario="shapes_fscil", stands_in_for=missing)]}])
    assert lines[0] == "shapes_fscil"
    assert lines[-1].startswith("STAND-IN: shapes_fscil runs in place of cifar_fscil.")


def test_on_a_terminal_nothing_is_cut_and_names_are_text() -> None:
    for width in (60, 80, 100, 140):
        console = Console(file=io.StringIO(), width=width, force_terminal=True, record=True)
        print_series(console, ROWS)
        lines = [line.rstrip() for line in console.export_text().splitlines()]
        text = "\n".join(lines)
        assert "…" not in text and max(map(len, lines)) <= width
        assert "[red]mine" in text and "72.00±2.00%" in text and "-31.00" in text
        assert ("forgetting" in text) == (width > 60)


def test_a_long_name_is_folded() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, record=True)
    print_series(console, [ROWS[0], {"strategy": "./" + "x" * 70 + ".py", "seeds": [run(0.5)]}])
    text = console.export_text()
    assert text.count("x") == 70 and "…" not in text


def test_no_rows_no_table() -> None:
    assert plain([]) == []


def test_ac_and_am_have_columns_where_a_run_has_them() -> None:
    first, second = run(0.7), run(0.6)
    first["summary"].update(ac=20 / 21, am=0.689)
    second["summary"].update(ac=None, am=0.35)
    rows = [{"strategy": "stationary", "seeds": [first, first]}, {"strategy": "replay", "seeds": [second]}]
    _, heading, ours, theirs, _ = plain(rows)
    assert heading.split()[3:7] == ["accuracy", "AC", "AM", "average"]
    assert ours.split()[5:11] == ["95.24", "+-", "0.00%", "68.90", "+-", "0.00%"]
    assert theirs.split()[3:5] == ["-", "35.00%"]
    assert "AC" not in plain(ROWS)[1]


def test_a_narrow_comparison_keeps_ac_and_am() -> None:
    seed = run(0.7)
    seed["summary"].update(ac=20 / 21, am=0.689)
    console = Console(file=io.StringIO(), width=80, force_terminal=True, record=True)
    print_series(console, [{"strategy": "stationary", "seeds": [seed, seed, seed]}])
    text = console.export_text()
    assert "95.24±0.00%" in text and "68.90±0.00%" in text and "forgetting" not in text and "…" not in text
