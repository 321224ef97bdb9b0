"""A metric, a strategy, a data set and a figure from outside the package, without an edit in it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

import clsim
from clsim.data import facts, registry
from clsim.results import figures
from clsim.utils import extensions

EXTENSION = """
from helpers.tiny import tiny_dataset

from clsim.data import Facts, register_dataset
from clsim.results.figures import Figure, register

register_dataset("tiny_mine", tiny_dataset, Facts(10, 20, 10, 8, None, "ten things"))
register(Figure("error", "error rate", better="lower", meaning="1 - accuracy.", importance=20, at_end=True,
                session=lambda record: 1 - record["accuracy"]))
"""
STRATEGY = '''
"""A linear classifier of the user's own."""

from functools import partial

import torch
from helpers.tiny import TinyModel

from clsim import Strategy

STREAMS = ("fscil",)


def build(stream, *, lr: float = 0.1) -> Strategy:
    """Build it.

    Args:
        lr: Learning rate.

    """
    return Strategy(model=TinyModel(), optimizer=partial(torch.optim.SGD, lr=lr), train_mb_size=20, train_epochs=1)
'''
METRIC = '''
"""Twice the number of sessions."""

from avalanche.evaluation import PluginMetric


class Twice(PluginMetric):
    def __init__(self):
        self.sessions = 0

    def after_training_exp(self, strategy):
        self.sessions += 1

    def result(self):
        return 2.0 * self.sessions

    def reset(self):
        self.sessions = 0

    def __str__(self):
        return "twice"


def build(stream):
    return Twice()
'''
SCENARIO = {
    "stream": {
        "kind": "fscil",
        "dataset": "tiny_mine",
        "base_classes": 6,
        "ways": 2,
        "shots": 5,
        "splits": {"draw": 0},
    },
    "strategy": "mine",
    "strategies": {"mine": {"lr": 0.2}},
    "evaluation": {"metrics": ["twice"]},
}


class Entry:
    """An entry point of an installed package."""

    name, value = "mine", "my_extension"

    @staticmethod
    def load() -> None:
        import my_extension  # noqa: F401


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "my_extension.py": EXTENSION,
        "strategies/mine.py": STRATEGY,
        "metrics/twice.py": METRIC,
        "scenarios/mine.yaml": yaml.safe_dump(SCENARIO),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(facts, "FACTS", facts.FACTS)
    monkeypatch.setattr(figures, "_registered", dict(figures._registered))
    monkeypatch.setattr(extensions.metadata, "entry_points", lambda group: [Entry] if group == extensions.GROUP else [])
    extensions.load_extensions.cache_clear()
    yield tmp_path
    extensions.load_extensions.cache_clear()
    sys.modules.pop("my_extension", None)
    facts.FACTS.pop("tiny_mine", None)
    registry.LOADERS.pop("tiny_mine", None)


def test_one_of_each_from_outside_runs_and_is_shown(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from clsim.cli.listing import show
    from clsim.report.console.plain import PlainReporter

    results = clsim.run("mine", out=world / "run", device="cpu", listeners=[PlainReporter(sys.stdout)])
    assert results.records[-1].metrics == {"twice": 6.0}
    printed = capsys.readouterr().out
    assert "tiny" in printed and "twice 6" in printed
    show("metrics")
    assert "error\tfigure: error rate. 1 - accuracy." in capsys.readouterr().out
    compared = clsim.compare([world / "run"]).to_dict()
    (strategy,) = compared["strategies"]
    accuracy = json.loads((world / "run" / "results.json").read_text())["summary"]["final_accuracy"]
    assert compared["labels"]["error"] == "error rate at the end"
    assert strategy["figures"]["error"]["mean"] == pytest.approx(1 - accuracy)
    assert "error rate" in (world / "run" / "report.html").read_text()
