"""A metric that a user writes: from a file or from Python to every place where figures are told."""

import json
import re

import pytest
from helpers.world import make_world

import clsim
from clsim.report.compare import compare

METRIC = """
from avalanche.evaluation import PluginMetric


class Images(PluginMetric):
    def __init__(self):
        super().__init__()
        self.images = self.evaluations = 0

    def reset(self):
        self.images = 0

    def before_eval(self, strategy):
        self.reset()
        self.evaluations += 1

    def after_eval_iteration(self, strategy):
        self.images += len(strategy.mb_y)

    def result(self):
        return {"seen": self.images, "evaluations": self.evaluations}

    def __str__(self):
        return "images"


def build(stream):
    return Images()
"""
TOLD = [
    {"images/seen": 24.0, "images/evaluations": 1.0},
    {"images/seen": 36.0, "images/evaluations": 2.0},
    {"images/seen": 48.0, "images/evaluations": 3.0},
]


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(METRIC)
    return make_world(tmp_path)


def told(path):
    return [record["metrics"] for record in json.loads((path / "results.json").read_text())["sessions"]]


def test_its_figures_are_told_everywhere(world, command):
    said = command("run", world.scenario, "--set", "evaluation.metrics=[./mine.py]", "--out", "run",
                   "--track", "tensorboard")  # fmt: skip
    assert said.code == 0, said.err
    run = world.root / "run"
    assert told(run) == TOLD
    assert "images/seen 36; images/evaluations 2" in said.out
    page = (run / "report.html").read_text()
    assert "Custom metrics" in page
    assert "images/seen" in page
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = event_accumulator.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert [event.value for event in events.Scalars("metrics/images_seen")] == [24, 36, 48]
    assert compare([run]).strategies[0].figures["metrics.images/seen"] == {1: 48.0}
    said = command("verify", run)
    assert said.code == 0, said.out
    assert "metric ./mine.py" in said.out
    (world.root / "mine.py").write_text(METRIC + "\n# altered\n")
    said = command("verify", run)
    assert said.code == 1
    assert "DIFFERS" in next(line for line in said.out.splitlines() if "metric ./mine.py" in line)


def test_it_goes_on_counting_in_a_run_that_is_resumed(world, command, monkeypatch):
    from clsim.experiment.checkpoint.checkpointer import Checkpointer

    measured, ended = Checkpointer.measured, []

    def stop_after_two(keeper):
        measured(keeper)
        ended.append(keeper.session)
        if len(ended) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpointer, "measured", stop_after_two)
    asked = ("run", world.scenario, "--set", "evaluation.metrics=[./mine.py]", "--out", "run")
    assert command(*asked).code == 130
    monkeypatch.undo()
    monkeypatch.chdir(world.root)
    (world.root / "mine.py").write_text(METRIC + "\n# altered\n")
    said = command(*asked, "--resume")
    assert (said.code, "hashes.metric ./mine.py" in said.err) == (2, True), said.err
    (world.root / "mine.py").write_text(METRIC)
    assert command(*asked, "--resume").code == 0
    assert told(world.root / "run") == TOLD


def test_one_that_a_strategy_brings_is_taken_too(tmp_path):
    from functools import partial

    import torch
    from helpers.tiny import tiny_dataset

    from clsim.models import LinearClassifier
    from clsim.models.backbones import make_backbone
    from clsim.streams import fscil

    space: dict = {}
    exec(METRIC, space)
    stream = fscil(tiny_dataset(4), base_classes=2, ways=2, shots=2, splits={"draw": 1})
    strategy = clsim.Strategy(
        model=LinearClassifier(make_backbone("resnet8x2"), 4),
        optimizer=partial(torch.optim.SGD, lr=0.1),
        metrics=[space["build"](stream)],
    )
    results = clsim.run(stream, strategy, out=tmp_path / "run").to_dict()
    assert [record["metrics"]["images/evaluations"] for record in results["sessions"]] == [1, 2]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("def make(stream): pass", "has no function build()"),
        ("def build(stream:", "cannot be read: SyntaxError"),
        ("def build(stream): return 3", "build() returns a value of type int, which is not a metric"),
        ("def build(stream): return stream.nothing", "build() fails: AttributeError"),
        ("import nothing_of_the_kind\ndef build(stream): pass", "cannot be loaded: ModuleNotFoundError"),
        (None, "there is no such metric file"),
    ],
)
def test_a_file_that_gives_none_is_told_before_anything_is_written(world, command, content, what):
    if content is None:
        (world.root / "mine.py").unlink()
    else:
        (world.root / "mine.py").write_text(content)
    said = command("run", world.scenario, "--set", "evaluation.metrics=[./mine.py]", "--out", "run")
    assert (said.code, what in said.err) == (2, True), said.err
    assert "Traceback" not in said.err
    assert not (world.root / "run").exists()


def test_what_is_wrong_in_a_scenario_is_told_at_its_line(world, command):
    world.scenario.write_text(world.scenario.read_text() + "evaluation:\n  metrics: [./mine.py, ./mien.py]\n")
    said = command("validate", world.scenario)
    line = len(world.scenario.read_text().splitlines())
    assert said.code == 2
    assert f"{world.scenario.name}:{line}" in said.err
    assert "./mien.py" in said.err


def test_comparisons_show_it_as_it_is_and_fractions_in_percent(world, command):
    for seed in ("1", "2"):
        said = command("run", world.scenario, "--set", "evaluation.metrics=[./mine.py]", "--out", f"runs/{seed}",
                       "--seed", seed)  # fmt: skip
        assert said.code == 0, said.err
    said = command("compare", "runs/1", "runs/2")
    row = next(line for line in said.out.splitlines() if "images/seen at the end" in line)
    assert row.split("zero_shot")[1].split() == ["2", "48", "0", "48", "to", "48"]
    assert command("report", "runs/1", "runs/2", "--out", "page.html").code == 0
    page = (world.root / "page.html").read_text()
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page[page.index("images/seen at the end") :])
    assert cells[:6] == ["zero_shot", "2", "48", "0", "48", "48"]
