"""Runs on held-out training images: no test image is looked at, and nobody can take them for test results."""

import io
import json
from pathlib import Path

import pytest
import torch
import yaml
from helpers.listening import Heard
from helpers.seeded import SCENARIOS
from helpers.tiny import Untouchable, tiny_dataset
from helpers.world import CommandLine, make_world
from rich.console import Console

from clsim.config import load_scenario
from clsim.data.core.images import DataSet
from clsim.experiment import eval_sets
from clsim.experiment import resolve as resolve_module
from clsim.experiment.build import make_stream, prepare
from clsim.experiment.resolve import resolve
from clsim.experiment.runner import simulate
from clsim.experiment.stand_in import stand_in_for
from clsim.report.console.series_table import print_series
from clsim.report.console.terminal import RichReporter
from clsim.utils.errors import UserErrors

HELD = {"validation.share": 0.2, "validation.seed": 3}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a scenario of a kind; its data has test images that must not be looked at."""
    whole = tiny_dataset()
    data = DataSet("cifar10", whole.train, Untouchable(whole.train.class_names))
    monkeypatch.setattr(resolve_module, "load_dataset", lambda name, **size: data)
    monkeypatch.setattr(eval_sets, "load_dataset", lambda name, **size: data)

    def write(kind, sessions=None, **changes):
        stream = dict(SCENARIOS[kind]["stream"])
        if kind == "fscil":
            stream |= {"splits": {"draw": 1}, "sessions": sessions}
        path = tmp_path / f"{kind}.yaml"
        path.write_text(yaml.safe_dump({**SCENARIOS[kind], "stream": stream, **changes}))
        return path

    return write


@pytest.mark.parametrize("kind", ["fscil", "replacement", "upgrade"])
def test_no_test_image_is_looked_at(write, tmp_path, kind):
    path = write(kind)
    with pytest.raises(AssertionError, match="test images were asked for"):
        prepare(path, None, None, 0, "cpu", strict=True)
    results = simulate(prepare(path, None, HELD, 0, "cpu", strict=True), out=tmp_path / "run")
    validation = results.to_dict()["validation"]
    assert validation == {
        "share": 0.2,
        "seed": 3,
        "images": 4 * validation["classes"],
        "classes": validation["classes"],
    }
    assert validation["classes"] == (4 if kind == "fscil" else 10)
    assert results.compatibility_matrix is not None
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["validation"] == validation


@pytest.mark.parametrize(
    ("images", "classes"),
    [
        ("held_out", {7, 8, 9}),
        ("stream", {0, 1, 2, 3}),
        ("cifar10", {0, 1, 2, 3, 7, 8, 9}),
        ("cifar100", set(range(10))),
    ],
)
def test_versions_are_compared_on_held_out_images_too(write, images, classes):
    path = write("fscil", sessions=1)
    changes = {**HELD, "evaluation.compatibility.images": images}
    query, gallery = prepare(path, None, changes, 0, "cpu", strict=True).compared
    assert set(query.labels.tolist()) == set(gallery.labels.tolist()) == classes
    assert not rows(query.pixels) & rows(gallery.pixels)


def images_of(sessions):
    return [session.resident.images.pixels[session.resident.indices] for session in sessions]


def rows(pixels):
    return {bytes(image.flatten().tolist()) for image in pixels}


def test_few_shots_stay_and_the_base_session_is_split(write, monkeypatch):
    path = write("fscil")
    held = make_stream(resolve(load_scenario(path, HELD)))
    whole = tiny_dataset()
    monkeypatch.setattr(resolve_module, "load_dataset", lambda name, **size: whole)
    usual = make_stream(resolve(load_scenario(path)))
    before, after = images_of(usual.train_stream), images_of(held.train_stream)
    assert all(torch.equal(one, other) for one, other in zip(before[1:], after[1:], strict=True))
    measured = images_of(held.test_stream)
    assert [len(part) for part in measured] == [16, 0, 0]
    assert rows(measured[0]) | rows(after[0]) == rows(before[0])
    assert not rows(measured[0]) & rows(after[0])
    # What is held out is of the classes that it is said to be of.
    assert held.test_stream[0].resident.labels.unique().tolist() == sorted(usual.class_blocks[0])


@pytest.mark.parametrize("kind", ["replacement", "upgrade"])
def test_where_all_images_are_there_every_session_is_split(write, kind):
    strategy = "replay" if kind == "replacement" else "oca"
    held = make_stream(resolve(load_scenario(write(kind), HELD, strategy=strategy)))
    blocks = [len(block) for block in held.class_blocks]
    assert [len(part) for part in images_of(held.test_stream)] == [4 * classes for classes in blocks]
    trained = set().union(*map(rows, images_of(held.train_stream)))
    assert not trained & set().union(*map(rows, images_of(held.test_stream)))
    assert len(trained) == 16 * sum(blocks)


def test_images_with_captions_have_none(tmp_path):
    with pytest.raises(UserErrors, match="validation: images with captions have no classes"):
        load_scenario("shapes_text_upgrade", HELD)


@pytest.mark.parametrize("value", [0, 1, 1.5])
def test_shares_that_are_none(value):
    with pytest.raises(UserErrors, match="share: must be"):
        load_scenario("shapes_fscil", {"validation.share": value})


def test_a_stand_in_is_measured_likewise(monkeypatch):
    stand_in, dropped = stand_in_for(load_scenario("cifar_fscil", HELD))
    assert stand_in.validation.model_dump() == {"share": 0.2, "seed": 3}
    assert dropped == []
    assert stand_in_for(load_scenario("cifar_fscil"))[0].validation is None


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def clsim(tmp_path, monkeypatch, capsys):
    return CommandLine(tmp_path, monkeypatch, capsys)


SENTENCE = (
    "Evaluated on 8 training images of 4 classes that were held out (share 0.34, seed 0): "
    "no figure here is a test result."
)


def test_it_is_said_first_and_last(clsim, world):
    run = ("run", world.scenario, "--set", "validation.share=0.34")
    lines = clsim(*run, "--out", "run").out.splitlines()
    assert lines[0] == lines[-1] == f"VALIDATION: {SENTENCE}"
    assert clsim(*run, "--quiet", "--out", "quiet").out.startswith(
        "VALIDATION (held-out training images, no test result): things"
    )
    said = clsim(*run, "--json", "--out", "json")
    assert said.err.splitlines()[0] == f"VALIDATION: {SENTENCE}"
    events = [json.loads(line) for line in said.out.splitlines()]
    assert (
        events[0]["validation"]
        == events[-1]["results"]["validation"]
        == {
            "share": 0.34,
            "seed": 0,
            "images": 8,
            "classes": 4,
        }
    )
    assert clsim(*run, "--seeds", "1,2", "--out", "seeds").out.splitlines()[-1] == f"VALIDATION: {SENTENCE}"
    assert clsim("verify", "run").code == 0
    assert "VALIDATION" not in clsim("run", world.scenario, "--out", "test").out


def test_a_run_on_test_images_does_not_go_on_as_one_of_validation(clsim, world):
    assert clsim("run", world.scenario, "--out", "run").code == 0
    said = clsim("run", world.scenario, "--out", "run", "--resume", "--set", "validation.share=0.34")
    assert said.code == 2
    assert "validation" in said.err


def test_a_result_that_hides_it_is_found_out(clsim, world):
    assert clsim("run", world.scenario, "--out", "run", "--set", "validation.share=0.34").code == 0
    results = json.loads(Path("run/results.json").read_text())
    Path("run/results.json").write_text(json.dumps({**results, "validation": None}))
    said = clsim("verify", "run")
    assert said.code == 1
    assert "what ran, results.json and manifest" in said.out


def test_published_figures_are_not_beside_it(write, tmp_path):
    heard = Heard()
    published = {"stationary": {"accuracy": [0.9, 0.8, 0.7], "source": "somewhere"}}
    prepared = prepare(write("fscil", published=published), None, HELD, 0, "cpu", strict=True)
    simulate(prepared, out=tmp_path / "run", listeners=[heard])
    info = heard.events[0].info
    assert (info.published, info.validation) == (None, prepared.validation)


def test_a_terminal_says_so_too():
    from clsim.experiment.events import RunEnded, RunInfo, RunStarted

    out = io.StringIO()
    reporter = RichReporter(Console(file=out, width=200, force_terminal=True, color_system=None))
    info = RunInfo("s", "a", 0, "cpu", "d", 1, "o", validation={"share": 0.34, "seed": 0, "images": 8, "classes": 4})
    reporter.on_event(RunStarted(info))
    reporter.on_event(RunEnded({"sessions": [], "summary": {}, "status": "failed"}, 1.0))
    lines = [line.strip() for line in out.getvalue().splitlines() if line.strip()]
    assert lines[0] == lines[-1] == f"VALIDATION  {SENTENCE}"
    out.truncate(0)
    seeds = [{"scenario": "s", "summary": {"final_accuracy": 0.5}, "validation": info.validation}]
    print_series(Console(file=out, width=200, force_terminal=True), [{"strategy": "a", "seeds": seeds}])
    assert SENTENCE in out.getvalue()
