from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clsim.experiment.events import RunInfo
from clsim.report.console.summary import summary_panel

Make = Callable[..., Any]


def test_the_summary(results: Make, info: Callable[..., RunInfo], published: list[float], drawn: Make) -> None:
    text = "\n".join(drawn(summary_panel(results(9), info(published=published), 754, width=80), 80))
    for name, figures in {
        "average accuracy": ["79.12%", "83.42%", "-4.30"],
        "average accuracy, weighted": ["56.78%"],
        "final accuracy": ["71.12%", "80.52%", "-9.40"],
        "performance drop": ["16.00%", "7.31%"],
        "average forgetting": ["3.45%"],
        "total time": ["12:34"],
        "files": ["runs/cifar_fscil/cpe_clip/seed42-20260101-000000"],
    }.items():
        line = next(line for line in text.splitlines() if name in line)
        assert all(figure in line for figure in figures)
    assert "complete" in text
    assert "session  classes" not in text


def test_the_summary_shows_every_session_where_a_panel_did_not(
    results: Make, info: Callable[..., RunInfo], drawn: Make
) -> None:
    shown = drawn(summary_panel(results(31), info(sessions=31), 754, width=80, left_out=["sessions"]), 80)
    assert sum("12 s" in line for line in shown) == 31


def test_an_interrupted_run_before_its_first_session(info: Callable[..., RunInfo], drawn: Make) -> None:
    text = "\n".join(drawn(summary_panel({"status": "interrupted"}, info(), 1.0, width=80), 80))
    assert "interrupted" in text and "0 sessions" in text


def test_a_long_path_is_folded_not_cut(results: Make, info: Callable[..., RunInfo], drawn: Make) -> None:
    out = "runs/" + "x" * 150
    shown = drawn(summary_panel(results(1), info(out=out), 1.0, width=80), 80)
    assert "".join(line.strip("│ ").removeprefix("files").strip() for line in shown).count("x" * 150) == 1


def test_a_narrow_summary_drops_the_published_columns(
    results: Make, info: Callable[..., RunInfo], published: list[float], drawn: Make
) -> None:
    shown = drawn(summary_panel(results(9), info(published=published), 1.0, width=50), 50)
    assert "…" not in "".join(shown) and "79.12%" in "".join(shown)


def test_ac_and_am_beside_the_published_ones(compatible: Make, info: Callable[..., RunInfo], drawn: Make) -> None:
    run = info(sessions=7, published_compatibility={"ac": 0.95, "am": 0.6890})
    text = drawn(summary_panel(compatible(), run, 1.0, width=80), 80)
    rows = {name: line.strip("│ ").split()[-3:] for line in text for name in ("(AC)", "(AM)") if name in line}
    assert rows == {"(AC)": ["95.24%", "95.00%", "+0.24"], "(AM)": ["68.90%", "68.90%", "-0.00"]}
    assert any("29,988 images not re-processed, 25 s of device time saved" in line for line in text)


def test_without_compatibility_the_summary_says_nothing_of_it(
    results: Make, info: Callable[..., RunInfo], drawn: Make
) -> None:
    text = "\n".join(drawn(summary_panel(results(9), info(), 1.0, width=80), 80))
    assert not any(word in text for word in ("AC", "AM", "service", "query by"))


def test_what_the_last_panels_left_out_is_shown_whole(
    compatible: Make, info: Callable[..., RunInfo], drawn: Make
) -> None:
    whole = ["sessions", "matrix", "service"]
    text = drawn(summary_panel(compatible(31), info(sessions=31), 1.0, width=80, shades=True, left_out=whole), 80)
    assert len({len(line) for line in text}) == 1
    for version in range(31):  # 0 heads the matrix too
        assert sum(line.split()[1:2] in ([f"{version}"], [f"{version}r"]) for line in text) == 3 + (version == 0)
    assert "⋮" not in "".join(text)


def test_the_source_of_published_figures(
    results: Make, info: Callable[..., RunInfo], published: list[float], drawn: Make
) -> None:
    told = info(published=published, published_source="a paper,\x1b[2J table 2")
    text = "\n".join(drawn(summary_panel(results(9), told, 1.0, width=80), 80))
    assert "published" in text and r"a paper,\x1b[2J table 2" in text
