"""Malformed scenarios on the command line: each is refused with its place, in seconds, and nothing is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.malformed import RIGHT, garbled, mutated
from helpers.world import CommandLine
from hypothesis import given, settings

from clsim.config.discovery import shipped
from clsim.config.yaml import read

SECONDS = 30.0
"""Limit for one file; an idle machine needs about one for the slowest."""
PLACED = re.compile(r"bad\.yaml(:\d+)?: \S")
SHIPPED = {path.stem: read(path).value for path in sorted(shipped("scenarios").glob("*.yaml"))}


@pytest.fixture
def clsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


def fault(code: int, said: str, seconds: float) -> str | None:
    """Return the fault in how a malformed scenario was reported, if there is one."""
    *lines, last = said.splitlines() or [""]
    if code != 2:
        return f"exit code {code}: {said[:200]}"
    if "Traceback" in said:
        return "a traceback"
    if any(not (character.isprintable() or character == "\n") for character in said):
        return f"a control character in {said[:200]!r}"
    if not lines or not re.fullmatch(r"\d+ problems?", last):
        return f"no count at the end: {last[:200]}"
    strays = [line for line in lines if not (PLACED.match(line) or line.startswith("  ") or line.startswith("and "))]
    if strays or not PLACED.match(lines[0]):
        return f"no place: {strays[:1] or lines[:1]}"
    return f"{seconds:.1f} s" if seconds > SECONDS else None


def refuses(clsim: CommandLine, content: bytes, *, may_be_valid: bool = False) -> None:
    """Check that `clsim validate` and `clsim run` refuse a scenario in the same words and write nothing."""
    Path("bad.yaml").write_bytes(content)
    start = time.monotonic()
    code, out, said = clsim("validate", "bad.yaml")
    if code == 0 and may_be_valid:
        return
    assert fault(code, said, time.monotonic() - start) is None
    assert not out, "errors belong on standard error"
    assert clsim("run", "bad.yaml") == (code, out, said)  # known to be refused, so nothing is trained
    assert list(Path().iterdir()) == [Path("bad.yaml")]


def test_the_scenario_that_is_garbled_is_right(clsim: CommandLine) -> None:
    Path("bad.yaml").write_text(RIGHT)
    assert clsim("validate", "bad.yaml").code == 0


@pytest.mark.slow
def test_garbled_files_are_refused_with_their_place(clsim: CommandLine) -> None:
    for _, content in garbled():
        refuses(clsim, content)


@pytest.mark.slow
@settings(max_examples=100)
@given(mutated(SHIPPED))
def test_changed_scenarios_are_refused_with_their_place_or_valid(clsim: CommandLine, change: tuple[str, bytes]) -> None:
    """A change may leave a scenario valid: another seed, a setting with a default."""
    refuses(clsim, change[1], may_be_valid=True)


@pytest.mark.parametrize(
    "name",
    ["!!python/object/apply:os.system ['touch marker']", "a billion laughs", "noise", "empty", "50,000 times '['"],
)
def test_a_new_process_refuses_them_as_well(tmp_path: Path, name: str) -> None:
    (tmp_path / "bad.yaml").write_bytes(dict(garbled())[name])
    start = time.monotonic()
    command = [sys.executable, "-m", "clsim", "run", "bad.yaml"]
    environment = {**os.environ, "CLSIM_DATA": str(tmp_path / "data"), "CLSIM_DEBUG": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert not done.stdout
    assert fault(done.returncode, done.stderr, time.monotonic() - start) is None
    assert list(tmp_path.iterdir()) == [tmp_path / "bad.yaml"]
