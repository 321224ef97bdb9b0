"""Hundreds of malformed scenarios through the command line: told with their place, quickly, and that is all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.malformed import RIGHT, garbled, mutated

from clsim.cli import main as cli
from clsim.config.discovery import shipped
from clsim.config.yaml import read

OF_EACH = 30
"""Mutations of every shipped scenario."""
SECONDS = 10.0
"""Of the slowest; on a machine of its own it takes about one."""
PLACED = re.compile(r"bad\.yaml(:\d+)?: \S")

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def clsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line beside ``bad.yaml`` alone; gives exit code and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLSIM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CLSIM_MODELS", str(tmp_path / "models"))

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["clsim", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        assert not said.out or not left.value.code, "a mistake belongs on standard error"
        return int(left.value.code or 0), said.err

    return run


def fault(code: int, said: str, seconds: float) -> str | None:
    """What is wrong with how a malformed scenario was told."""
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


def written(folder: Path) -> list[str]:
    """Every file that is in `folder`."""
    return sorted(path.name for path in folder.iterdir())


def cases() -> list[tuple[str, bytes]]:
    """What was done, and the file."""
    found = list(garbled())
    for number, path in enumerate(sorted(shipped("scenarios").glob("*.yaml"))):
        changes = mutated(read(path).value, OF_EACH, seed=number)
        found += [(f"{path.stem}: {what}", content) for what, content in changes]
    return found


def test_the_scenario_that_is_garbled_is_right(clsim: Command) -> None:
    Path("bad.yaml").write_text(RIGHT)
    assert clsim("validate", "bad.yaml") == (0, "")


@pytest.mark.slow
def test_malformed_scenarios_are_told_with_their_place(clsim: Command, tmp_path: Path) -> None:
    told, right, faults = 0, 0, []
    for what, content in cases():
        Path("bad.yaml").write_bytes(content)
        start = time.monotonic()
        code, said = clsim("validate", "bad.yaml")
        if code == 0:  # a change that leaves it right: another seed, a setting that has a default
            right += 1
            continue
        told += 1
        wrong = fault(code, said, time.monotonic() - start)
        # Known to be refused, so nothing is trained: a run says the same.
        if wrong is None and clsim("run", "bad.yaml") != (code, said):
            wrong = "a run says something else"
        if wrong is None and written(tmp_path) != ["bad.yaml"]:
            wrong = f"something was written: {written(tmp_path)}"
        faults += [f"{what}: {wrong}"] if wrong else []
    print(f"{told} malformed scenarios, and {right} that a change left right")
    assert not faults, "\n".join(faults)
    assert told >= 300
    assert right < told / 4


@pytest.mark.parametrize(
    "what",
    ["!!python/object/apply:os.system ['touch marker']", "a billion laughs", "noise", "empty", "50,000 times '['"],
)
def test_the_same_in_a_process_of_its_own(tmp_path: Path, what: str) -> None:
    (tmp_path / "bad.yaml").write_bytes(dict(garbled())[what])
    start = time.monotonic()
    command = [sys.executable, "-m", "clsim", "run", "bad.yaml"]
    environment = {**os.environ, "CLSIM_DATA": str(tmp_path / "data"), "CLSIM_DEBUG": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert not done.stdout
    assert fault(done.returncode, done.stderr, time.monotonic() - start) is None
    assert written(tmp_path) == ["bad.yaml"]
