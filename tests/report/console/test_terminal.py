from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from rich.console import Console

from clsim.experiment.events import Note, RunEnded, RunInfo, RunStarted, SessionEnded, SessionStarted, StepsDone
from clsim.report.console.terminal import RichReporter, UnderwayDisplay
from clsim.report.console.underway import Underway

Make = Callable[..., Any]


def console(width: int = 80) -> Console:
    return Console(file=io.StringIO(), width=width, height=24, force_terminal=True, markup=False, record=True)


def play(screen: Console, run: RunInfo, results: dict[str, Any]) -> None:
    reporter = RichReporter(screen)
    reporter.on_event(RunStarted(run))
    for i in range(len(results["sessions"])):
        reporter.on_event(SessionStarted(i, 5, 25, 1, 2))
        reporter.on_event(StepsDone(1, 1, 0.5, 10.0))
        reporter.on_event(SessionEnded({**results, "sessions": results["sessions"][: i + 1]}))
    reporter.on_event(RunEnded(results, 60.0))
    reporter.close()


def printed(screen: Console) -> list[str]:
    assert isinstance(screen.file, io.StringIO)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.file.getvalue()).replace("\r", "\n")
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_the_stand_in_is_said_first_and_last_in_colour(
    results: Make, info: Callable[..., RunInfo], missing: dict[str, str]
) -> None:
    screen = console()
    play(screen, info(scenario="shapes_fscil", stands_in_for=missing), results(2))
    shown = printed(screen)
    said = [
        "STAND-IN  shapes_fscil runs in place of cifar_fscil.",
        "STAND-IN  Why: cifar100 is not here.",
        "STAND-IN  For the real thing: run `clsim data fetch cifar100`.",
    ]
    assert shown[:3] == said
    assert shown[-3:] == said
    html = screen.export_html(inline_styles=True)
    assert re.search(r'font-weight: bold">shapes_fscil runs in place', html)


def test_without_a_stand_in_nothing_is_said(results: Make, info: Callable[..., RunInfo]) -> None:
    screen = console()
    play(screen, info(), results(1))
    assert "STAND-IN" not in "\n".join(printed(screen))


def test_one_panel_for_each_session_and_a_summary(results: Make, info: Callable[..., RunInfo]) -> None:
    screen = console()
    play(screen, info(sessions=3), results(3))
    titles = [line for line in printed(screen) if line.startswith("╭")]
    assert [re.sub(r"[╭╮─]", "", title).strip() for title in titles] == [
        "session 0 of 2",
        "session 1 of 2",
        "session 2 of 2",
        "cifar_fscil · cpe_clip · seed 42 complete",
    ]


def test_thirty_one_sessions_end_with_the_whole_table(results: Make, info: Callable[..., RunInfo]) -> None:
    screen = console()
    play(screen, info(sessions=31), results(31))
    shown = printed(screen)
    summary = shown[max(i for i, line in enumerate(shown) if line.startswith("╭")) :]
    assert sum(bool(re.match(r"│\s+\d+\s+\d+\s+\d+\.\d\d%", line)) for line in summary) == 31


def test_the_live_display_leaves_with_the_cursor_shown(info: Callable[..., RunInfo]) -> None:
    screen = console()
    reporter = RichReporter(screen)
    reporter.on_event(RunStarted(info()))
    reporter.on_event(SessionStarted(0, 5, 25, 1, 2))
    reporter.close()
    reporter.close()
    assert isinstance(screen.file, io.StringIO)
    written = screen.file.getvalue()
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_a_reporter_that_is_dropped_gives_the_terminal_back(info: Callable[..., RunInfo]) -> None:
    screen = console()
    reporter = RichReporter(screen)
    reporter.on_event(SessionStarted(0, 5, 25, 1, 2))
    del reporter
    assert isinstance(screen.file, io.StringIO)
    written = screen.file.getvalue()
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_notes_are_text(info: Callable[..., RunInfo]) -> None:
    screen = Console(file=io.StringIO(), width=80, force_terminal=True)
    RichReporter(screen).on_event(Note("class [red]x[/red] \x1b[2J\nsecond"))
    assert printed(screen) == ["class [red]x[/red] \\x1b[2J", "second"]


def test_the_display_shows_how_far_it_is() -> None:
    now = [0.0]
    underway = Underway(SessionStarted(3, 5, 25, 4, 200), clock=lambda: now[0])
    underway.update(StepsDone(1, 1, 0.25, 1234.4))
    now[0] = 49.0
    underway.update(StepsDone(2, 50, 0.25, 1234.4))
    for width in (60, 80, 100):
        screen = console(width)
        screen.print(UnderwayDisplay(underway, 8))
        title, line = screen.export_text().splitlines()
        assert title.rstrip() == "session 3 of 8  5 new classes, 25 images"
        for piece in (
            "epoch 2/4",
            "25%",
            "loss 0.2500",
            "2:30 left",
            *(["1,234 images/s"] if width > 60 else []),
        ):
            assert piece in line
        assert "…" not in line


def test_the_display_says_when_it_measures() -> None:
    screen = console()
    screen.print(UnderwayDisplay(Underway(SessionStarted(0, 5, 25, 0, 0)), None))
    assert "measuring" in screen.export_text()


def test_a_run_that_fails_before_it_starts_ends_in_silence() -> None:
    screen = console()
    RichReporter(screen).on_event(RunEnded({"status": "failed", "sessions": []}, 0.1))
    assert printed(screen) == []


def test_three_panels_for_a_session_with_compatibility_and_service(
    compatible: Make, info: Callable[..., RunInfo]
) -> None:
    screen = console()
    play(screen, info(sessions=7), {**compatible(2), "sessions": compatible(2)["sessions"]})
    titles = [re.sub(r"[╭╮─]", "", line).strip() for line in printed(screen) if line.startswith("╭")]
    assert titles[-4:] == [
        "session 1 of 6",
        "compatibility after session 1",
        "service after session 1",
        "cifar_fscil · cpe_clip · seed 42 complete",
    ]


def test_a_wide_terminal_has_compatibility_and_service_side_by_side(
    compatible: Make, info: Callable[..., RunInfo]
) -> None:
    screen = console(200)
    play(screen, info(sessions=1), compatible(1))
    assert any("compatibility after" in line and "service after" in line for line in printed(screen))


def test_thirty_one_versions_end_with_the_whole_matrix(compatible: Make, info: Callable[..., RunInfo]) -> None:
    screen = console()
    reporter = RichReporter(screen)
    reporter.on_event(RunStarted(info(sessions=31)))
    reporter.on_event(SessionEnded(compatible(31)))
    reporter.on_event(RunEnded(compatible(31), 60.0))
    shown = printed(screen)
    summary = shown[max(i for i, line in enumerate(shown) if line.startswith("╭")) :]
    assert sum(bool(re.match(r"│ +\d+r? .*\d\*", line)) for line in summary) == 31
