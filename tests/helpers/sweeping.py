"""A world in which a run takes a moment, strategies that die, fail or dawdle when told to, and sweeps of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.world import CommandLine, make_world

STRATEGY = '''
"""A linear classifier that can be told to die once, to fail or to take its time, until a file is there."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import TinyModel

from clsim import Strategy


class Told(SupervisedPlugin):
    def __init__(self, dies, fails, waits, until):
        super().__init__()
        self.dies, self.fails, self.waits, self.until, self.step = dies, fails, waits, until, 0

    def before_backward(self, strategy, **kwargs):
        self.step += 1
        ends = time.monotonic() + (self.waits if self.step > 2 else 0)  # with a checkpoint
        while time.monotonic() < ends and not (self.until and Path(self.until).exists()):
            time.sleep(0.02)
        if self.fails and self.step == 3:
            raise RuntimeError("as it was told to")
        if self.dies and self.step == 5:
            marker = Path(f"{self.dies}{torch.initial_seed()}")
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)


def build(
    stream,
    *,
    lr: float = 0.1,
    dies: str = "",
    fails: bool = False,
    waits: float = 0.0,
    until: str = "",
    epochs: int = 2,
    device: str = "cpu",
) -> Strategy:
    """Composes it."""
    return Strategy(
        model=TinyModel(len(stream.class_names)),
        optimizer=partial(torch.optim.SGD, lr=lr, momentum=0.9),
        train_mb_size=8,
        train_epochs=epochs,
        plugins=[Told(dies, fails, waits, until)],
        device=device,
    )
'''


class Workspace:
    """A scenario and two strategies in a folder, and the command line in it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.world = root, make_world(root)
        (root / "strategies").mkdir()
        for name in ("steady", "other"):
            (root / "strategies" / f"{name}.py").write_text(STRATEGY)
        scenario = yaml.safe_load(self.world.scenario.read_text())
        del scenario["strategies"]
        scenario |= {"strategy": "steady", "checkpoints": {"iterations": 2}}
        self.world.scenario.write_text(yaml.safe_dump(scenario))
        self.clsim = CommandLine(root, monkeypatch, capsys)
        here = Path(__file__).parents[1]
        monkeypatch.setenv("PYTHONPATH", f"{here.parent}:{here}")

    def write(self, **content: Any) -> Path:
        """The file of a sweep of this scenario."""
        path = self.root / "sweep.yaml"
        path.write_text(yaml.safe_dump({"scenario": str(self.world.scenario), "cpus": 1, **content}, sort_keys=False))
        return path

    def states(self, out: str = "sweeps/sweep") -> dict[str, dict[str, Any]]:
        """The entries of ``runs.json``, by run."""
        return {entry["run"]: entry for entry in json.loads((self.root / out / "runs.json").read_text())["runs"]}
