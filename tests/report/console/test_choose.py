from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import pytest

from clsim.report.console.choose import make_console, make_reporter
from clsim.report.console.json_lines import JsonReporter
from clsim.report.console.plain import PlainReporter
from clsim.report.console.quiet import QuietReporter
from clsim.report.console.terminal import RichReporter


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)


def test_a_terminal_gets_the_live_display(terminal: Any) -> None:
    assert isinstance(make_reporter("auto", terminal), RichReporter)


def test_a_file_gets_plain_lines() -> None:
    assert isinstance(make_reporter("auto", io.StringIO()), PlainReporter)


def test_a_dumb_terminal_gets_plain_lines(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_reporter("auto", terminal), PlainReporter)


def test_a_terminal_without_unicode_gets_plain_lines(terminal: Any) -> None:
    terminal.encoding = "ascii"
    assert isinstance(make_reporter("auto", terminal), PlainReporter)


def test_quiet_and_json_hold_on_a_terminal_too(terminal: Any) -> None:
    assert isinstance(make_reporter("quiet", terminal), QuietReporter)
    assert isinstance(make_reporter("json", terminal), JsonReporter)


@pytest.mark.parametrize("set_", [False, True])
def test_no_color_is_respected(terminal: Any, monkeypatch: pytest.MonkeyPatch, set_: bool) -> None:
    if set_:
        monkeypatch.setenv("NO_COLOR", "1")
    make_console(terminal).print("x", style="red")
    assert ("\x1b[31m" in terminal.getvalue()) == (not set_)


def test_a_console_on_a_file_writes_no_escape_code() -> None:
    stream = io.StringIO()
    make_console(stream).print("[red]x", style="bold red")
    assert stream.getvalue() == "[red]x\n"


def test_reporting_needs_no_torch_and_plain_lines_no_rich() -> None:
    script = (
        "import sys, io; from clsim.report.console.choose import make_reporter;"
        "make_reporter('auto', io.StringIO());"
        "assert 'rich' not in sys.modules, 'rich';"
        "import clsim.report.console.terminal, clsim.report.console.series_table;"
        "assert 'torch' not in sys.modules, 'torch'"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
