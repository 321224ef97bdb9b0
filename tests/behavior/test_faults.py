"""What can befall a run: each fault is brought about, and message, exit code and what is left are looked at."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers.kills import left
from helpers.listening import Down
from helpers.world import CommandLine, make_world
from PIL import Image

from clsim.experiment.checkpoint import files
from clsim.experiment.events import SessionEnded
from clsim.sweep import series
from clsim.training import Strategy

STRATEGY = '''
"""A linear classifier, to which something happens at a step of a session."""

import os
import signal
from functools import partial
from typing import Literal

import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import TinyModel
from torch.utils.data import DataLoader, Dataset

from clsim import Strategy


class Dies(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        os._exit(3)


class Fault(SupervisedPlugin):
    def __init__(self, fault, at):
        super().__init__()
        self.fault, self.at, self.step = fault, at, 0

    def before_training_exp(self, strategy, **kwargs):
        if self.fault == "worker" and strategy.experience.current_experience == 1:
            strategy.dataloader = DataLoader(Dies(strategy.experience.dataset), 2, num_workers=1)

    def before_backward(self, strategy, **kwargs):
        self.step += 1
        if self.step != self.at:
            return
        if self.fault == "nan":
            strategy.loss = strategy.loss * float("nan")
        elif self.fault == "memory":
            torch.empty(1 << 60)
        elif self.fault == "signal":
            os.kill(os.getpid(), signal.SIGTERM)


def build(
    stream,
    *,
    fault: Literal["none", "nan", "memory", "signal", "worker"] = "none",
    at: int = 5,
    epochs: int = 3,
    batch_size: int = 8,
    device: str = "cpu",
) -> Strategy:
    """Composes it."""
    return Strategy(
        model=TinyModel(len(stream.class_names)),
        optimizer=partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        train_mb_size=batch_size,
        train_epochs=epochs,
        plugins=[Fault(fault, at)],
        device=device,
    )
'''


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = make_world(tmp_path_factory.mktemp("world"))
    (world.root / "faulty.py").write_text(STRATEGY)
    scenario = yaml.safe_load(world.scenario.read_text())
    scenario |= {"strategy": str(world.root / "faulty.py"), "checkpoints": {"iterations": 2}}
    world.scenario.write_text(yaml.safe_dump(scenario))
    return world


@pytest.fixture
def clsim(tmp_path, monkeypatch, capsys):
    return CommandLine(tmp_path, monkeypatch, capsys)


@pytest.fixture
def go(clsim, world):
    """Runs the scenario into `run` with a fault, or another command line."""

    def run(fault="none", *words, out="run"):
        return clsim("run", world.scenario, "--set", f"strategy.fault={fault}", "--out", out, *words)

    return run


@pytest.fixture
def whole(go):
    """What a run leaves that nothing befalls."""
    assert go(out="whole").code == 0
    return left(Path("whole"))


def goes_on(go, whole):
    """What is left is enough to end as if nothing had happened, without the fault and in spite of it being gone."""
    said = go("none", "--resume", "--force")
    assert said.code == 0, said.err
    assert left(Path("run")) == whole
    assert not list(Path("run").rglob(".*"))
    return said


def status():
    return json.loads(Path("run/results.json").read_text())["status"]


def steps(folder="run"):
    return sorted(Path(folder, "checkpoints").glob("*-step*.safetensors"))


@pytest.mark.parametrize("damage", [lambda raw: raw[:-7], lambda raw: raw[:99] + b"!" + raw[100:], lambda raw: b""])
@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_damaged_checkpoint(go, whole, damage, suffix):
    said = go("signal")
    assert said.code == 130
    assert "session 0, after 5 iterations; the same command with --resume --out run resumes from it" in said.err
    assert status() == "interrupted"
    last = steps()[-1].with_suffix(suffix)
    last.write_bytes(damage(last.read_bytes()))
    said = goes_on(go, whole)
    assert "session0000-step000000005.json is damaged" in said.out
    assert "resuming in session 0, after 4 iterations" in said.out


def mounted(place, *options):
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")


def test_a_full_disk(go, whole, tmp_path):
    mounted(tmp_path / "disk", "size=200k")
    try:
        (tmp_path / "disk" / "other").write_bytes(bytes(150_000))
        said = go("none", out="disk/run")
        assert said.code == 1
        assert "no space left on the disk" in said.err
        for path in Path("disk/run").rglob("*.json"):
            json.loads(path.read_text() or "null")
        (tmp_path / "disk" / "other").unlink()
        said = go("none", "--resume", out="disk/run")
        assert said.code == 0, said.err
        assert left(Path("disk/run")) == whole
    finally:
        subprocess.run(["umount", tmp_path / "disk"], check=True)


def test_a_disk_that_fills_up_while_a_checkpoint_is_written(go, whole, monkeypatch):
    real, saved = files.save_tensors, []

    def full(path, *content):
        saved.append(path)
        if len(saved) == 4:
            raise OSError(28, "No space left on device", str(path))
        real(path, *content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "save_tensors", full)
        said = go()
    assert (said.code, said.err) == (1, f"clsim: {saved[-1]}: no space left on the disk\n")
    assert status() == "failed"
    assert "resuming" in goes_on(go, whole).out


def test_a_directory_that_can_only_be_read(go, tmp_path):
    mounted(tmp_path / "disk", "ro")
    try:
        said = go("none", out="disk/run")
    finally:
        subprocess.run(["umount", tmp_path / "disk"], check=True)
    assert said.code == 2
    assert said.err.startswith("disk/run: cannot write the run directory: ")


def test_two_processes_and_one_directory(go, tmp_path):
    hold = "import sys; from pathlib import Path; "
    hold += "from clsim.results.run_directory import RunDirectory; RunDirectory(Path('run')); "
    hold += "print('holds', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.readline()
    for words in ((), ("--resume",)):
        said = go("none", *words)
        assert said.code == 2
        assert said.err.startswith("run: another run is writing to this directory\n")
    assert [path.name for path in Path("run").iterdir()] == [".lock"]
    other.kill()
    other.wait()
    assert go("none", "--resume").code == 0


def test_data_that_change_under_the_run(go, world, whole):
    assert go("signal").code == 130
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    image = sorted((world.data / "train").rglob("*.png"))[0]
    kept = image.read_bytes()
    try:
        Image.new("RGB", (8, 8), "white").save(image)
        said = go("signal", "--resume")
        assert said.code == 2
        assert "run: this run began with something else: hashes.train images: " in said.err
        assert "--force" in said.err
        assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == before
    finally:
        image.write_bytes(kept)
    goes_on(go, whole)


def test_a_loss_that_is_no_number(go, whole):
    said = go("nan")
    assert said.code == 1
    assert "the loss is nan in session 0, epoch 2, iteration 5 of the session, at a learning rate of 0.1" in said.err
    assert "on_nan to skip or rewind" in said.err
    assert "the last checkpoint is of session 0, after 4 iterations; the same command with" in said.err
    assert "--resume --out run resumes from it" in said.err
    assert status() == "failed"
    assert "resuming in session 0, after 4 iterations" in goes_on(go, whole).out


@pytest.mark.parametrize("how", ["skip", "rewind"])
def test_a_loss_that_is_no_number_once(go, how):
    said = go("nan", "--set", f"on_nan={how}")
    assert (said.code, said.err) == (0, "")
    assert status() == "complete"


def test_memory_that_runs_out(go, whole):
    said = go("memory")
    assert said.code == 1
    assert "out of memory while training in session 0, with batches of 8 images" in said.err
    assert "reduce strategy.batch_size" in said.err
    assert status() == "failed"
    goes_on(go, whole)


def test_memory_that_runs_out_while_evaluating(go, whole, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Strategy, "eval_epoch", lambda *_, **__: (_ for _ in ()).throw(MemoryError))
        said = go()
    assert said.code == 1
    assert "out of memory while evaluating in session 0, with batches of 256 images" in said.err
    assert "reduce evaluation.batch_size or evaluation.memory" in said.err
    goes_on(go, whole)


def test_a_worker_that_dies(go, whole):
    said = go("worker")
    assert said.code == 1
    assert "a worker died while training in session 1: DataLoader worker" in said.err
    assert "the last checkpoint is of session 0" in said.err
    assert len(Path("run/sessions.jsonl").read_text().splitlines()) == 1
    assert "resuming after session 0" in goes_on(go, whole).out


def test_a_tracker_that_is_down(go, whole, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            series,
            "make_reporter",
            lambda mode: Down(SessionEnded, ConnectionError("the tracker does not answer")),
        )
        said = go()
    assert said.code == 0
    assert said.err == "clsim: Down is left out from here on: the tracker does not answer\n"
    assert left(Path("run")) == whole
