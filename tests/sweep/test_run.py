"""Whole sweeps of real runs: what dies goes on, what is stopped goes on, and the end is a comparison."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from helpers.kills import left
from helpers.sweeping import Workspace


@pytest.fixture
def workspace(tmp_path, monkeypatch, capsys):
    return Workspace(tmp_path, monkeypatch, capsys)


@pytest.mark.slow
def test_a_sweep_from_beginning_to_end(workspace):
    """One run is killed once, one fails for good; the others are compared."""
    dies, fails = "strategies.steady.dies", "strategies.other.fails"
    path = workspace.write(
        strategies=["steady", "other"], retries=1, overrides={dies: str(workspace.root / "died"), fails: True}
    )
    said = workspace.clsim("sweep", path)
    assert said.code == 1, said.err
    states = workspace.states()
    steady, other = states["things/steady/as_it_is/seed1"], states["things/other/as_it_is/seed1"]
    assert (steady["state"], steady["attempts"], steady["sessions"]) == ("complete", 2, 3)
    assert (other["state"], other["attempts"]) == ("failed", 2)
    assert re.fullmatch(r"failed: RuntimeError: as it was told to \(\S+/other\.py:\d+\)", other["why"])
    assert "steady/as_it_is/seed1: ended by SIGKILL; resuming it" in said.out
    assert "see sweeps/sweep/logs/things/other/as_it_is/seed1.log" in said.out
    compared = workspace.clsim("compare", "sweeps/sweep/things/steady/as_it_is/seed1")
    assert compared.out in said.out
    assert "other: 0 of 1 run complete; missing: seed 1 (failed)" in said.out
    page = "sweeps/sweep/things/report.html"
    assert f"page: {page}" in said.out
    assert "failed" in (workspace.root / page).read_text(encoding="utf-8")
    log = (workspace.root / "sweeps/sweep/logs/things/steady/as_it_is/seed1.log").read_text()
    assert log.count("$ clsim run") == 2
    assert "resuming in session 0, after 4 iterations" in log
    manifest = json.loads((workspace.root / "sweeps/sweep/things/steady/as_it_is/seed1/manifest.json").read_text())
    assert manifest["determinism"]["num_threads"] == 1
    # The marker is there now: the same command without anything that happens gives the same.
    alone = workspace.clsim(
        "run", workspace.world.scenario, "--set", f"{dies}={workspace.root / 'died'}", "--out", "alone"
    )
    assert alone.code == 0, alone.err
    assert left(workspace.root / "sweeps/sweep/things/steady/as_it_is/seed1") == left(workspace.root / "alone")


@pytest.mark.slow
def test_a_sweep_that_is_stopped_goes_on(workspace):
    known = workspace.root / "known"
    waits = {"strategy.waits": 2, "strategy.until": str(known)}
    path = workspace.write(strategies=["steady"], seeds=[1, 2], overrides=waits)
    command = [sys.executable, "-m", "clsim", "sweep", str(path), "--jobs", "1", "--json"]
    sweep = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=workspace.root)
    run = workspace.root / "sweeps/sweep/things/steady/as_it_is/seed1"
    ends = time.monotonic() + 60
    while not list(run.glob("checkpoints/*-step*")) and time.monotonic() < ends:
        time.sleep(0.05)
    os.kill(sweep.pid, signal.SIGTERM)
    out, err = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, err
    assert "interrupted; 1 interrupted, 1 waiting; repeat the command to resume" in err
    assert {json.loads(line)["event"] for line in out.splitlines()} == {"sweep_started", "run_changed"}
    assert json.loads((run / "results.json").read_text())["status"] == "interrupted"
    assert not (run.parent / "seed2").exists()
    known.touch()
    assert workspace.clsim("sweep", path).code == 0
    assert [entry["state"] for entry in workspace.states().values()] == ["complete", "complete"]
    assert "resuming in session" in (workspace.root / "sweeps/sweep/logs/things/steady/as_it_is/seed1.log").read_text()
    began = (run / "results.json").stat().st_mtime_ns
    said = workspace.clsim("sweep", path)
    assert said.code == 0
    assert "2 runs, 2 of them already complete" in said.out
    assert (run / "results.json").stat().st_mtime_ns == began


@pytest.mark.slow
def test_runs_go_when_their_sweep_is_killed(workspace):
    path = workspace.write(strategies=["steady"], seeds=[1], overrides={"strategy.waits": 1})
    sweep = subprocess.Popen(
        [sys.executable, "-m", "clsim", "sweep", str(path)], stdout=subprocess.DEVNULL, cwd=workspace.root
    )
    run = workspace.root / "sweeps/sweep/things/steady/as_it_is/seed1"
    ends = time.monotonic() + 60
    while not list(run.glob("checkpoints/*-step*")) and time.monotonic() < ends:
        time.sleep(0.05)
    sweep.kill()
    sweep.wait()
    while (run / ".lock").exists() and time.monotonic() < ends:
        time.sleep(0.05)
    assert json.loads((run / "results.json").read_text())["status"] == "interrupted"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--engine", "ray", "--jobs", "2"), "--jobs belongs to the local engine"),
        (("--address", "auto"), "--address belongs to --engine ray"),
        (("--engine", "ray"), "Ray is not installed\n  pip install 'clsim[ray]', or --engine local"),
    ],
)
def test_what_an_engine_does_not_have(workspace, monkeypatch, words, told):
    monkeypatch.setitem(sys.modules, "ray", None)
    said = workspace.clsim("sweep", workspace.write(), *words)
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert not (workspace.root / "sweeps").exists()


def test_nothing_heavy_is_imported(workspace):
    script = "import sys, clsim.sweep.run, clsim.sweep.local; print({'torch', 'ray', 'rich'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"
