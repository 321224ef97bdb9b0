from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console, RenderableType

from clsim.experiment.events import RunInfo
from clsim.report.console.panels import run_header, session_panel
from clsim.report.console.parts import stand_in_notice
from clsim.report.console.summary import summary_panel

Make = Callable[..., Any]


def lines(renderable: RenderableType, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, record=True, force_terminal=True)
    console.print(renderable)
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("sessions", [1, 9, 31])
@pytest.mark.parametrize("with_published", [False, True])
def test_a_session_panel_is_whole(
    results: Make,
    info: Callable[..., RunInfo],
    published: list[float],
    width: int,
    sessions: int,
    with_published: bool,
) -> None:
    run = info(sessions=sessions, published=published if with_published else None)
    panel, left_out = session_panel(results(sessions), run, images=25, width=width, height=21)
    shown = lines(panel, width)
    assert len(shown) <= 21
    assert {len(line) for line in shown} == {len(shown[0])} and len(shown[0]) <= width
    assert all(line[0] + line[-1] in ("╭╮", "││", "╰╯") for line in shown)
    assert "…" not in "".join(shown)
    last = next(line for line in reversed(shown) if f" {55 + 5 * sessions} " in line)
    assert f"{100 * (0.8712 - 0.02 * (sessions - 1)):.2f}%" in last
    assert left_out == any("⋮         ⋮" in line for line in shown)


def test_a_session_panel_says_it_all(results: Make, info: Callable[..., RunInfo], published: list[float]) -> None:
    panel, _ = session_panel(results(3), info(published=published), images=25, width=124, height=40)
    text = "\n".join(lines(panel, 124))
    for piece in (
        "session 2 of 8",
        "5 new classes (65 to 69) · 25 images · 406,272 trainable parameters",
        "cifar_fscil · cpe_clip · seed 42",
        "83.12%",  # ours
        "84.93%",  # published
        "-1.81",  # the difference
        "88.00%",  # base
        "58.00%",  # novel
        "69.92%",  # harmonic mean
        "2.46%",  # forgetting from the best
        "2.22%",  # forgetting from the first
        "12 s",
        "1,234",
        "1 ▅ 50.00%",  # by session of origin
        "━━ cpe_clip  • published",
    ):
        assert piece in text


def test_at_80_columns_no_kept_column_is_cut(results: Make, info: Callable[..., RunInfo]) -> None:
    panel, _ = session_panel(results(9), info(), images=25, width=80, height=40)
    heading = next(line for line in lines(panel, 80) if "accuracy" in line)
    assert heading.strip("│ ").split() == [
        "session", "classes", "accuracy", "base", "novel", "mean", "from", "best", "time",
    ]  # fmt: skip


def test_wide_terminals_have_the_curve_beside_the_table(results: Make, info: Callable[..., RunInfo]) -> None:
    panel, _ = session_panel(results(9), info(), images=25, width=140, height=21)
    assert any("%┤" in line and "12 s" in line for line in lines(panel, 140))


def test_a_record_of_nones_is_shown(info: Callable[..., RunInfo]) -> None:
    record = {
        "session": 0,
        "new_classes": [],
        "accuracy": None,
        "accuracy_by_session": [None],
        "forgetting": None,
    }
    panel, _ = session_panel({"sessions": [record]}, info(), images=None, width=80, height=21)
    text = "\n".join(lines(panel, 80))
    assert "0 new classes · - trainable parameters" in text
    assert "nan" not in text.lower() and "None" not in text


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/]", "<script>", "[link=http://a]b", ":smile:", "\x1b[31mx"])
def test_names_are_text_not_markup(results: Make, info: Callable[..., RunInfo], name: str) -> None:
    run = info(scenario=name, strategy=name, dataset=name, device=name, out=name)
    done = results(2)
    done["sessions"][-1]["replaced_by"] = name
    expected = name.replace("\x1b", r"\x1b")
    panel, _ = session_panel(done, run, images=25, width=140, height=40)
    for renderable, times in (
        (run_header(run), 5),
        (panel, 4),  # corner (scenario, strategy), the replacing model, the legend
        (summary_panel(done, run, 1.0, width=140, left_out=["sessions"]), 3),
        (stand_in_notice(name, {"scenario": name, "because": name, "fix": name}), 4),
    ):
        assert "\n".join(lines(renderable, 140)).count(expected) == times


def test_replacements_are_news(compatible: Make, info: Callable[..., RunInfo]) -> None:
    for width in (60, 80, 140):
        panel, _ = session_panel(compatible(5), info(sessions=7), images=25, width=width, height=21)
        shown = lines(panel, width)
        assert len(shown) <= 21 and {len(line) for line in shown} == {len(shown[0])}
        text = " ".join(" ".join(line.strip("│ ") for line in shown).split())
        assert "model replaced by simplex_600 after 120 iterations, 12 s in" in text
    panel, _ = session_panel(compatible(3), info(sessions=7), images=25, width=140, height=21)
    assert "model replaced by simplex_300 before the session · " in "\n".join(lines(panel, 140))


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("sessions", [1, 7, 31])
def test_a_session_panel_of_a_run_with_compatibility_is_whole(
    compatible: Make, info: Callable[..., RunInfo], width: int, sessions: int
) -> None:
    panel, _ = session_panel(compatible(sessions), info(sessions=sessions), images=25, width=width, height=21)
    shown = lines(panel, width)
    assert len(shown) <= 21 and {len(line) for line in shown} == {len(shown[0])}
    assert "…" not in "".join(shown)
    assert any(line.split()[1:2] == ["session"] and "AC" in line.split() for line in shown)
