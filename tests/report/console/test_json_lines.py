from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from typing import Any

from clsim.experiment.events import Note, RunEnded, RunInfo, RunStarted, SessionEnded, SessionStarted, StepsDone
from clsim.report.console.json_lines import JsonReporter


def test_one_object_a_line_and_nothing_else(
    results: Callable[..., Any], info: Callable[..., RunInfo], missing: dict[str, str], published: list[float]
) -> None:
    out, errors = io.StringIO(), io.StringIO()
    reporter = JsonReporter(out, errors)
    done = results(2, scenario="[red]x\n\u2028")
    reporter.on_event(RunStarted(info(stands_in_for=missing, published=published)))
    for i in range(2):
        reporter.on_event(SessionStarted(i, 5, 25, 1, 2))
        reporter.on_event(StepsDone(1, 1, 0.5, 1.0))
        reporter.on_event(Note("to the other stream"))
        reporter.on_event(SessionEnded({**done, "sessions": done["sessions"][: i + 1]}))
    reporter.on_event(RunEnded(done, 3.5))

    started, first, second, ended = map(json.loads, out.getvalue().splitlines())
    assert started["event"] == "run_started"
    assert started["stands_in_for"] == missing
    assert started["published"] == published
    assert first == {"event": "session_ended", "record": done["sessions"][0]}
    assert second == {"event": "session_ended", "record": done["sessions"][1]}
    assert ended == {"event": "run_ended", "seconds": 3.5, "results": done}
    assert "STAND-IN" in errors.getvalue() and "to the other stream" in errors.getvalue()


def test_what_is_no_number_is_null(results: Callable[..., Any]) -> None:
    out = io.StringIO()
    reporter = JsonReporter(out, io.StringIO())
    reporter.on_event(RunEnded({"sessions": [], "matrix": ((1.0, math.nan), (math.inf, 2.0))}, 1.0))
    assert json.loads(out.getvalue())["results"]["matrix"] == [[1.0, None], [None, 2.0]]


def test_records_of_compatibility_and_service_pass_through(
    compatible: Callable[..., Any], info: Callable[..., RunInfo]
) -> None:
    out = io.StringIO()
    reporter = JsonReporter(out, io.StringIO())
    done = compatible()
    reporter.on_event(RunStarted(info(published_compatibility={"ac": 0.95, "am": 0.689})))
    reporter.on_event(SessionEnded(done))
    reporter.on_event(RunEnded(done, 1.0))
    started, ended, last = map(json.loads, out.getvalue().splitlines())
    assert started["published_compatibility"] == {"ac": 0.95, "am": 0.689}
    assert ended["record"] == done["sessions"][-1]
    assert last["results"] == done
