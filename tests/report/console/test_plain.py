from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from clsim.experiment.events import Note, RunEnded, RunInfo, RunStarted, SessionEnded, SessionStarted, StepsDone
from clsim.report.console.plain import PlainReporter, write_line
from clsim.report.console.quiet import QuietReporter

Make = Callable[..., Any]


def play(run: RunInfo, results: dict[str, Any]) -> list[str]:
    stream = io.StringIO()
    reporter = PlainReporter(stream)
    reporter.on_event(RunStarted(run))
    for i in range(len(results["sessions"])):
        reporter.on_event(SessionStarted(i, 5, 25, 1, 2))
        reporter.on_event(SessionEnded({**results, "sessions": results["sessions"][: i + 1]}))
    reporter.on_event(RunEnded(results, 754.0))
    text = stream.getvalue()
    assert "\x1b" not in text and "\r" not in text
    assert text.endswith("\n")
    return text.splitlines()


def test_the_stand_in_is_the_first_and_the_last_line(
    results: Make, info: Callable[..., RunInfo], missing: dict[str, str]
) -> None:
    lines = play(info(scenario="shapes_fscil", stands_in_for=missing), results(2))
    assert (
        lines[0]
        == lines[-1]
        == (
            "STAND-IN: shapes_fscil runs in place of cifar_fscil. Why: cifar100 is not here. "
            "For the real thing: run `clsim data fetch cifar100`."
        )
    )


def test_a_row_for_each_session_and_the_whole_table_at_the_end(
    results: Make, info: Callable[..., RunInfo], published: list[float]
) -> None:
    lines = play(info(published=published), results(3))
    rows = [line.split() for line in lines if line.split()[1:2] == ["65"]]
    figures = [
        "1",
        "65",
        "85.12%",
        "85.86%",
        "-0.74",
        "89.00%",
        "59.00%",
        "70.96%",
        "1.23%",
        "1.11%",
        "12",
        "s",
    ]
    assert rows == [[*figures, "1,234"]] * 2
    assert "  by session of origin: 88.00% 50.00% 51.00%" in lines
    assert "final accuracy: 83.12%" in lines  # 3 of 9 sessions: nobody published the figures of a part
    complete = play(info(published=published[:3], sessions=3), results(3))
    assert "final accuracy: 83.12%  (published 84.93%, -1.81 points)" in complete
    assert "complete in 12:34, files: runs/cifar_fscil/cpe_clip/seed42-20260101-000000" in lines
    assert "STAND-IN" not in "".join(lines)


def test_hostile_names_stay_on_their_line(results: Make, info: Callable[..., RunInfo]) -> None:
    lines = play(info(scenario="[red]x\n\x1b[2J"), results(1))
    assert lines[0].startswith("clsim: [red]x\\n\\x1b[2J, cpe_clip")


def test_progress_is_told_after_an_epoch_but_not_too_often() -> None:
    now = [0.0]
    stream = io.StringIO()
    reporter = PlainReporter(stream, clock=lambda: now[0])
    reporter.on_event(SessionStarted(0, 5, 25, 10, 1000))
    told: list[float] = []
    for second in range(1, 200):
        now[0] = float(second)
        before = stream.getvalue().count("\n")
        # an epoch takes a second at first, then the sixth lasts
        reporter.on_event(StepsDone(min(second, 26) // 5 + 1, second, 0.5, 99.6))
        if stream.getvalue().count("\n") > before:
            told.append(now[0])
    assert told == [10.0, 20.0, 30.0, 90.0, 150.0]
    assert stream.getvalue().splitlines()[1] == "  epoch 3/10, step 10/1000, loss 0.5000, 100 images/s, 16:30 left"


def test_a_stream_that_knows_only_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    write_line(stream, "ünï ⋮")
    assert raw.getvalue() == b"?n? ?\n"


def test_quiet_says_one_line_and_the_stand_in_elsewhere(
    results: Make, info: Callable[..., RunInfo], missing: dict[str, str]
) -> None:
    out, errors = io.StringIO(), io.StringIO()
    reporter = QuietReporter(out, errors)
    reporter.on_event(RunStarted(info(scenario="shapes_fscil", stands_in_for=missing)))
    reporter.on_event(SessionStarted(0, 5, 25, 1, 2))
    reporter.on_event(StepsDone(1, 1, 0.5, 1.0))
    reporter.on_event(SessionEnded(results(1)))
    reporter.on_event(Note("not said"))
    assert out.getvalue() == ""
    reporter.on_event(RunEnded(results(2), 12.0))
    assert out.getvalue() == (
        "shapes_fscil, cpe_clip, seed 42: complete in 12 s, final accuracy 85.12%, average 86.12%, "
        "files: runs/cifar_fscil/cpe_clip/seed42-20260101-000000\n"
    )
    assert errors.getvalue().startswith("STAND-IN: shapes_fscil runs in place of cifar_fscil.")


def test_compatibility_and_the_service_in_plain_lines(compatible: Make, info: Callable[..., RunInfo]) -> None:
    run = info(sessions=7, published_compatibility={"ac": 0.95, "am": 0.6890})
    lines = play(run, compatible())
    for line in (
        "  model replaced by simplex_600 after 120 iterations, 12 s in",
        "  model replaced by simplex_300 before the session",
        "  cross-tests by version of the gallery: 63.14% 66.35% 72.10% 73.50% 75.23% 76.65%",
        "  self-test 58.89%, AM 58.89%",
        "    in random order  71.02%  74.09%  77.16%  74.09%",
        "query by version (row), gallery by version (column), %",
        "4r  65.01  67.87  70.75  72.11! 73.83*",
        "! fails: below its gallery's self-test",
        "average compatibility (AC): 95.24%  (published 95.00%, +0.24 points)",
        "service: 29,988 images not re-processed, 25 s of device time saved",
    ):
        assert line in lines
    assert any(line.startswith("  self-test 77.16%, AC 95.24%, compatible pairs 20 of 21, AM 68.90%") for line in lines)
    assert any(line.startswith("  service: nothing re-indexed 71.02%, everything re-indexed 77.16%") for line in lines)
    assert "".join(lines).isascii()


def test_without_compatibility_no_line_of_it(results: Make, info: Callable[..., RunInfo]) -> None:
    text = "\n".join(play(info(), results(3)))
    assert not any(word in text for word in ("AC", "service", "query by", "replaced", "self-test"))


def test_the_quiet_line_has_ac_and_am_where_they_are_measured(compatible: Make, info: Callable[..., RunInfo]) -> None:
    out = io.StringIO()
    reporter = QuietReporter(out, io.StringIO())
    reporter.on_event(RunStarted(info(sessions=7)))
    reporter.on_event(RunEnded(compatible(), 12.0))
    assert ", average 81.12%, AC 95.24%, AM 68.90%, files: " in out.getvalue()
