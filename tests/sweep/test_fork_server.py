"""Forked processes of runs, by the real server and without one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clsim.sweep import fork_server
from clsim.sweep.fork_server import ForkedChild, Launcher, code_stamp
from clsim.sweep.process import Child, ended_within
from clsim.utils.exit_codes import DONE, WRONG_INPUT

SLOT = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
RUN = ["run", "shapes_fscil", "--strategy", "zero_shot", "--device", "cpu", "--set", "stream.splits=drawn"]


@pytest.fixture(scope="module")
def slot():
    """A slot whose server imports clsim once for all tests."""
    made = Launcher(SLOT)
    yield made
    made.close()


def ended(child):
    assert ended_within(child.poll, 120)
    return child.poll()


def test_a_run_with_a_gpu_is_not_forked(tmp_path):
    launcher = Launcher({"CUDA_VISIBLE_DEVICES": "0"})
    child = launcher.start(["--version"], tmp_path / "log", tmp_path)
    assert isinstance(child, Child)
    assert ended(child) == DONE
    launcher.close()


@pytest.mark.slow
def test_runs_have_their_own_code_output_and_directory(slot, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    good = slot.start(["list", "strategies"], tmp_path / "logs/good", tmp_path / "one")
    assert isinstance(good, ForkedChild)
    assert ended(good) == DONE
    bad = slot.start(["run", "no_such_scenario"], tmp_path / "logs/bad", tmp_path / "two")
    assert ended(bad) == WRONG_INPUT
    texts = {name: (tmp_path / "logs" / name).read_text() for name in ("good", "bad")}
    assert texts["good"].startswith("$ clsim list strategies\n")
    assert "ncm" in texts["good"]
    assert "no_such_scenario" in texts["bad"]
    assert "ncm" not in texts["bad"].replace("no_such_scenario", "").split("clsim:")[0]


@pytest.mark.slow
def test_a_forked_run_has_the_figures_of_one_in_a_new_interpreter(slot, tmp_path):
    words = [*RUN, "--out"]
    forked = slot.start([*words, "forked"], tmp_path / "log", tmp_path)
    assert ended(forked) == DONE, (tmp_path / "log").read_text()
    new = Child([*words, "new"], tmp_path / "log", SLOT, tmp_path)
    assert ended(new) == DONE, (tmp_path / "log").read_text()
    found = [_figures(tmp_path / name) for name in ("forked", "new")]
    assert found[0] == found[1]
    assert found[0]


def _figures(run: Path):
    sessions = json.loads((run / "results.json").read_text())["sessions"]
    return [(each["accuracy"], each["training"], each["calibration"]) for each in sessions]


@pytest.mark.slow
def test_a_run_is_stopped_and_the_slot_still_serves(slot, tmp_path):
    child = slot.start([*RUN, "--out", "stopped"], tmp_path / "log", tmp_path)
    while child._process is None:
        assert child.poll() is None
        time.sleep(0.005)
    child.end()
    assert child.poll() != DONE
    again = slot.start(["--version"], tmp_path / "log", tmp_path)
    assert ended(again) == DONE


@pytest.mark.slow
def test_a_new_server_takes_the_place_of_one_that_died_or_has_old_code(slot, tmp_path, monkeypatch):
    ended(slot.start(["--version"], tmp_path / "log", tmp_path))
    first = slot._server._process
    first.kill()
    first.wait()
    assert ended(slot.start(["--version"], tmp_path / "log", tmp_path)) == DONE
    second = slot._server._process
    monkeypatch.setattr(fork_server, "code_stamp", lambda: 1)
    assert ended(slot.start(["--version"], tmp_path / "log", tmp_path)) == DONE
    assert len({first.pid, second.pid, slot._server._process.pid}) == 3


def test_a_server_that_dies_ends_its_run(tmp_path):
    launcher = Launcher(SLOT)
    child = launcher.start(["--version"], tmp_path / "log", tmp_path)
    launcher._server._process.send_signal(signal.SIGKILL)  # while it imports
    assert ended(child) == -signal.SIGKILL
    launcher.close()


def test_a_run_ends_with_its_sweep(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from clsim.sweep.fork_server import Launcher;"
        f"slot = Launcher({SLOT!r}); slot.start(['--version'], Path('log'), Path.cwd());"
        "print(slot._server._process.pid, flush=True); time.sleep(60)"
    )
    sweep = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    server = int(sweep.stdout.readline())
    sweep.kill()
    sweep.wait()

    def gone():
        try:
            os.kill(server, 0)
        except ProcessLookupError:
            return 0
        stat = Path(f"/proc/{server}/stat").read_text().rsplit(")", 1)[1].split()
        return 0 if stat[0] == "Z" else None

    assert ended_within(gone, 30)


def test_the_stamp_changes_with_a_file(tmp_path):
    (tmp_path / "a.py").write_text("")
    before = code_stamp(tmp_path)
    assert code_stamp(tmp_path) == before
    os.utime(tmp_path / "a.py", (1, 1))
    assert code_stamp(tmp_path) != before
