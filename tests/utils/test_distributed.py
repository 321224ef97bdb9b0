"""A run in two processes gives the results of a single process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers.errors import refused
from helpers.kills import left, without_times

from clsim.utils import distributed
from clsim.utils.distributed import _check_gpus

HERE = Path(__file__).parents[1]
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node")
SCENARIOS = {
    "fscil": ("shapes_fscil", "stream.base_classes=10", "stream.ways=2", "stream.sessions=3", "strategy.epochs=2"),
    # Remembered images, a model that arrives before and one in the middle of a session, batch normalisation.
    "replacement": (
        "shapes_replacement",
        "strategy.epochs=2",
        "strategy.precision=fp32",
        "stream.base_classes=4",
        "stream.ways=4",
        "stream.sessions=2",
        "stream.replacements=[{model: shapes_100, before: 0}, {model: shapes_120, during: 1, after_iterations: 5}]",
        "evaluation.compatibility.images_per_class=3",
    ),
}


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}


def command(name, out, *words, several=0):
    scenario, *changes = SCENARIOS[name]
    strategy = "cpe_clip" if name == "fscil" else "stationary"
    settings = [word for change in changes for word in ("--set", change)]
    start = [*TORCHRUN, str(several)] if several else []
    run = ["-m", "clsim", "run", scenario, "--strategy", strategy, *settings, "--out", out, *words]
    return [sys.executable, *start, *run]


def figures(content, place=""):
    """Return every accuracy in results.json, and every number derived from accuracies, by its keys."""
    if isinstance(content, dict):
        items = {key: value for key, value in content.items() if key not in ("training", "diagnostics", "constraints")}
        return {k: v for key, value in items.items() for k, v in figures(value, f"{place}.{key}").items()}
    if isinstance(content, list):
        return {k: v for index, value in enumerate(content) for k, v in figures(value, f"{place}[{index}]").items()}
    return {place: content}


def test_one_process_alone_is_not_several():
    assert not distributed.is_distributed()
    assert (distributed.world_size(), distributed.is_main()) == (1, True)
    assert distributed.init("cpu") == "cpu"
    assert distributed.local_part(torch.zeros(8, 1)) is None
    assert distributed.any_rank(True) and not distributed.any_rank(False)
    assert distributed.broadcast(lambda: 3) == distributed.main_first(lambda: 3) == 3
    distributed.barrier()
    distributed.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("several", [2, 3])
def test_rows_are_gathered_and_gradients_are_those_of_one_process(several):
    call = [sys.executable, *TORCHRUN, str(several), HERE / "helpers" / "several.py"]
    done = subprocess.run(call, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("well") == several


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_two_processes_give_the_figures_of_one(name, tmp_path):
    said = {}
    for several, out in ((0, tmp_path / "one"), (2, tmp_path / "two")):
        call = command(name, out, "--quiet", several=several)
        done = subprocess.run(call, env=environment(), capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        said[several] = done.stdout
    assert len(said[0].splitlines()) == len(said[2].splitlines()) == 1
    one, two = (
        figures(without_times(json.loads((tmp_path / run / "results.json").read_text()))) for run in ("one", "two")
    )
    one, two = ({place: value for place, value in each.items() if "_flops" not in place} for each in (one, two))
    assert one.keys() == two.keys()  # operations are counted in runs of one process alone
    numbers = {place for place, value in one.items() if isinstance(value, float)}
    assert len(numbers) > 20
    assert {place: two[place] for place in numbers} == pytest.approx({place: one[place] for place in numbers}, abs=1e-4)
    assert {k: v for k, v in two.items() if k not in numbers} == {k: v for k, v in one.items() if k not in numbers}
    assert json.loads((tmp_path / "two" / "manifest.json").read_text())["processes"] == 2


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on(tmp_path):
    env, every = environment(), ("--set", "checkpoints.iterations=3", "--set", "strategy.epochs=5")
    whole = subprocess.run(
        command("fscil", tmp_path / "whole", *every, several=2), env=env, capture_output=True, check=False
    )
    assert whole.returncode == 0, whole.stderr
    stopped = subprocess.Popen(
        command("fscil", tmp_path / "run", *every, several=2),
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not list((tmp_path / "run").glob("checkpoints/*.json")):
        time.sleep(0.05)
        assert stopped.poll() is None
    stopped.send_signal(signal.SIGTERM)
    stopped.communicate(timeout=60)
    assert json.loads((tmp_path / "run" / "results.json").read_text())["status"] == "interrupted"
    goes_on = subprocess.run(
        command("fscil", tmp_path / "run", *every, "--resume", several=2),
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert goes_on.returncode == 0, goes_on.stderr
    assert goes_on.stdout.count("resuming in session") == 1
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_more_processes_than_gpus_are_the_users_error():
    _check_gpus(2, 2)
    with refused(where="--device", names=("4 processes", "has 2", "--nproc-per-node 2")):
        _check_gpus(4, 2)
