"""Run directories and checkpoints that version 0.1 wrote stay usable."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

STORED = Path(__file__).parents[1] / "runs_of_0_1"
RUNS = ("fscil", "mine", "replacement", "texts", "upgrade")
CHANGED = ("clsim source", "strategy file", "file checkpoints/last.safetensors")
"""Checks that must differ: the code is newer, and weights of shipped models are not stored here."""


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the stored runs with their data, as the working directory."""
    place = Path(shutil.copytree(STORED, tmp_path / "old"))
    monkeypatch.chdir(place)
    monkeypatch.setenv("CLSIM_DATA", str(tmp_path / "no data"))
    return place / "stored"


@pytest.mark.parametrize("name", RUNS)
def test_the_figures_of_an_old_run_are_verified(old, command, name):
    _, output, errors = command("verify", f"stored/{name}")
    lines = output.splitlines()
    differing = [line for line in lines if line.startswith("DIFFERS")]
    assert not errors
    assert [line for line in differing if not any(known in line for known in CHANGED)] == []
    assert sum(line.startswith("agrees") for line in lines) >= 18


def test_an_old_run_is_reported_and_compared(old, command):
    for name in RUNS:
        code, _, errors = command("report", f"stored/{name}")
        assert code == 0, errors
        assert (old / name / "report.html").stat().st_size > 100_000
    code, output, errors = command("compare", "stored/upgrade", "--json")
    assert code == 0, errors
    figures = json.loads((old / "upgrade" / "results.json").read_text())["summary"]
    assert str(figures["am"]) in output


def test_an_old_checkpoint_resumes_amid_a_session(old, command):
    code, _, errors = command("run", "mine.yaml", "--resume", "--out", "stored/interrupted", "--device", "cpu")
    assert code == 2, "the code that began the run is not the code at hand"
    assert "--force" in errors
    code, _, errors = command(
        "run", "mine.yaml", "--resume", "--force", "--out", "stored/interrupted", "--device", "cpu"
    )
    assert code == 0, errors
    resumed, whole = (json.loads((old / name / "results.json").read_text()) for name in ("interrupted", "mine"))
    assert resumed["status"] == "complete"
    assert resumed["accuracy_matrix"] == whole["accuracy_matrix"]
    for session, expected in zip(resumed["sessions"], whole["sessions"], strict=True):
        assert session["training"]["loss"] == pytest.approx(expected["training"]["loss"])
