"""Trackers of whole runs: what they have is read back by their own libraries, and is what results.json says."""

import json
import os
import sys
from pathlib import Path

import pytest
import yaml
from avalanche.training.plugins import SupervisedPlugin
from helpers.kills import left
from helpers.seeded import SCENARIOS
from helpers.tiny import tiny_dataset
from helpers.tracked import KINDS, TRAINING, read
from helpers.world import CommandLine, make_world

from clsim.config import load_scenario
from clsim.config.trackers import Mlflow, Wandb, chosen_trackers
from clsim.experiment import resolve
from clsim.experiment.build import prepare
from clsim.experiment.checkpoint.checkpointer import Checkpointer
from clsim.experiment.runner import simulate
from clsim.report.reporters.background import BackgroundListener
from clsim.report.trackers import make
from clsim.report.trackers.make import tracking
from clsim.report.trackers.mlflow import place
from clsim.report.trackers.values import summary_values, values_of
from clsim.utils.errors import UserError, UserErrors

ENDED = {"tensorboard": True, "wandb": 0, "mlflow": "FINISHED"}
FAILED = {"tensorboard": False, "wandb": 1, "mlflow": "FAILED"}
INTERRUPTED = {"tensorboard": False, "wandb": 130, "mlflow": "KILLED"}


@pytest.fixture(autouse=True, scope="module")
def nowhere_else(tmp_path_factory):
    """No tracker of whoever runs the tests is told."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("WANDB_", "MLFLOW_"))]:
            patch.delenv(name)
        home = str(tmp_path_factory.mktemp("home"))
        for name in ("HOME", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
            patch.setenv(name, home)
        patch.setenv("NETRC", f"{home}/netrc")
        yield


class Stops(SupervisedPlugin):
    """Raises at a step of the run."""

    def __init__(self, step, error):
        super().__init__()
        self.left, self.error = step, error

    def before_backward(self, strategy, **kwargs):
        self.left -= 1
        if self.left == 0:
            raise self.error

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def go(folder, trackers, *, kind="replacement", out="run", stops=None, resume=False, iterations=None):
    """Runs a scenario of the tiny world."""
    (folder / "tiny.yaml").write_text(yaml.safe_dump({**SCENARIOS[kind], "checkpoints": {"iterations": iterations}}))
    prepared = prepare(folder / "tiny.yaml", None, None, None, "cpu", strict=True)
    prepared.strategy.plugins.append(stops or Stops(-1, None))
    blocks = chosen_trackers(trackers)
    blocks = [Mlflow(uri=str(folder / f"mlruns of {out}")) if block.kind == "mlflow" else block for block in blocks]
    with tracking(blocks) as logs:
        simulate(prepared, out=folder / out, resume=resume, listeners=logs)
    return json.loads((folder / out / "results.json").read_text())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with one run that was tracked, and one that was not."""
    folder = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve, "load_dataset", lambda name, *, image_size: tiny_dataset())
        go(folder, [], out="alone")
        go(folder, KINDS)
    return folder


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(resolve, "load_dataset", lambda name, *, image_size: tiny_dataset())


def has(folder, kind, out="run"):
    return read(kind, folder / out, folder / f"mlruns of {out}")


def same(values, expected):
    """TensorBoard holds 32 bits of a number."""
    assert values == pytest.approx(expected, rel=1e-6)
    assert values.keys() == expected.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_tracker_has_what_the_results_say(world, kind):
    results = json.loads((world / "run" / "results.json").read_text())
    known = has(world, kind)
    assert len(results["sessions"]) == 3
    for record in results["sessions"]:
        same(known.values(record["session"]), values_of(record))
    same(known.summary, summary_values(results["summary"]))
    assert (known.status, known.state, known.runs) == ("complete", ENDED[kind], 1)
    assert known.parameters["strategy.memory"] == "4"
    assert known.parameters["seed"] == str(results["seed"])
    if kind != "tensorboard":
        for name in ("results.json", "manifest.json", "scenario.yaml"):
            assert known.files[name] == (world / "run" / name).read_text()


def test_names_parameters_and_losses_are_the_same_in_each(world):
    first, *others = [has(world, kind) for kind in KINDS]
    results = json.loads((world / "run" / "results.json").read_text())
    iterations = sum(record["iterations"] for record in results["sessions"])
    steps = [step for step, _ in first.figures["loss"]]
    assert steps == sorted(set(steps))
    assert steps[-1] == iterations
    assert len(steps) >= 3
    for other in others:
        assert other.figures.keys() == first.figures.keys()
        assert other.parameters == first.parameters
        for name in TRAINING:
            same(dict(other.figures[name]), dict(first.figures[name]))


def test_a_run_that_is_tracked_gives_the_same_bytes(world):
    assert left(world / "run") == left(world / "alone")


@pytest.mark.parametrize("at", [2, 6])
def test_a_run_that_is_resumed_goes_on_in_the_same_place(tmp_path, tiny, at):
    with pytest.raises(OSError, match="unplugged"):
        go(tmp_path, KINDS, stops=Stops(at, OSError("unplugged")), iterations=1)
    before = {kind: has(tmp_path, kind) for kind in KINDS}
    assert {kind: known.status for kind, known in before.items()} == dict.fromkeys(KINDS, "failed")
    assert {kind: known.state for kind, known in before.items()} == FAILED
    assert not any(known.summary for known in before.values())
    results = go(tmp_path, KINDS, resume=True)
    for kind in KINDS:
        known = has(tmp_path, kind)
        for record in results["sessions"]:
            same(known.values(record["session"]), values_of(record))
        steps = [step for step, _ in known.figures["loss"]]
        assert steps == sorted(set(steps))
        assert steps[-1] == sum(record["iterations"] for record in results["sessions"])
        assert (known.status, known.state, known.runs) == ("complete", ENDED[kind], 1)
        for name, points in before[kind].figures.items():
            assert known.figures[name][: len(points)] == points


def test_a_session_that_is_measured_again_is_not_told_again(tmp_path, tiny):
    """The run ends between the session's record and its checkpoint, so that its times are others when it resumes."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="unplugged"):
        patch.setattr(Checkpointer, "measured", unplugged)
        go(tmp_path, KINDS)
    before = {kind: has(tmp_path, kind).values(0) for kind in KINDS}
    results = go(tmp_path, KINDS, resume=True)
    for kind in KINDS:
        known = has(tmp_path, kind)
        assert known.values(0) == before[kind]
        same(known.values(1), values_of(results["sessions"][1]))
        assert known.values(0)["seconds/train"] != pytest.approx(results["sessions"][0]["train_seconds"], rel=1e-6)


def unplugged(self):
    raise OSError("unplugged")


def test_a_tracker_that_joins_a_run_hears_what_was(tmp_path, tiny):
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, ["wandb"], stops=Stops(6, KeyboardInterrupt()), iterations=1)
    assert has(tmp_path, "wandb").status == "interrupted"
    assert has(tmp_path, "wandb").state == INTERRUPTED["wandb"]
    results = go(tmp_path, ["tensorboard"], resume=True)
    known = has(tmp_path, "tensorboard")
    for record in results["sessions"]:
        same(known.values(record["session"]), values_of(record))
    assert known.figures["loss"][0][0] > 5
    assert known.figures["loss"][-1][0] == sum(record["iterations"] for record in results["sessions"])


# -- the command line


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("things"))


@pytest.fixture
def clsim(tmp_path, monkeypatch, capsys):
    return CommandLine(tmp_path, monkeypatch, capsys)


def options(*kinds):
    return [word for kind in kinds for word in ("--track", kind)]


def test_trackers_by_option_print_nothing(clsim, things):
    said = clsim("run", things.scenario, "--out", "run", "--json", *options(*KINDS, "mlflow"))
    assert (said.code, said.err) == (0, "")
    assert {json.loads(line)["event"] for line in said.out.splitlines()} == {
        "run_started",
        "session_ended",
        "run_ended",
    }
    results = json.loads(Path("run/results.json").read_text())
    for kind in KINDS:
        known = read(kind, Path("run"), Path("mlruns"))
        assert known.runs == 1
        for record in results["sessions"]:
            same(known.values(record["session"]), values_of(record))


def test_trackers_of_the_scenario_go_with_references_and_seeds(clsim, things, tmp_path):
    content = yaml.safe_load(things.scenario.read_text())
    content |= {"trackers": [{"kind": "mlflow", "uri": "my runs", "experiment": "mine"}], "references": ["fine_tune"]}
    content["strategies"]["fine_tune"] = {"pretrained": str(things.clip), "base_epochs": 1, "epochs": 1}
    Path("mine.yaml").write_text(yaml.safe_dump(content))
    said = clsim("run", "mine.yaml", "--seeds", "1,2", "--out", "run", "--track", "mlflow")
    assert said.code == 0, said.err
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=(tmp_path / "my runs").as_uri())
    runs = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert {run.info.run_name for run in runs} == {
        f"mine, {name}, seed {seed}" for name in ("zero_shot", "fine_tune") for seed in (1, 2)
    }
    assert not Path("mlruns").exists()


def test_trackers_change_no_run(clsim, things):
    assert clsim("run", things.scenario, "--out", "run").code == 0
    Path("run/results.json").write_text(Path("run/results.json").read_text().replace('"complete"', '"interrupted"'))
    said = clsim("run", things.scenario, "--out", "run", "--resume", "--set", "trackers=[tensorboard]")
    assert said.code == 0, said.err
    assert read("tensorboard", Path("run"), Path()).status == "complete"


@pytest.mark.parametrize("package", KINDS)
def test_a_package_that_is_missing_ends_it_before_anything_is_loaded(clsim, things, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "clsim.experiment.runner", raising=False)
    Path(package).mkdir()  # as trackers leave about, and Python would take for a package
    said = clsim("run", things.scenario, "--out", "run", "--track", package)
    assert said.code == 2
    assert said.err == (
        f"trackers: the tracker {package} needs a package that is not installed\n  pip install 'clsim[trackers]'\n"
    )
    assert "clsim.experiment.runner" not in sys.modules
    assert not Path("run").exists()


def test_a_folder_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "only_a_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not make._is_installed("only_a_folder")
    assert make._is_installed("yaml")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--track", "tensorbord"], "--track: there is no tracker 'tensorbord'\n  did you mean 'tensorboard'?"),
        (["--track", "\x1b[2J"], r"there is no tracker '\x1b[2J'"),
        (["--set", "trackers=[tensorbord]"], "trackers.0: expected"),
        (["--set", "trackers=[{kind: wandb, mod: online}]"], "unknown key 'mod' in trackers.0"),
        (["--set", "trackers=[{kind: wandb, mode: on}]"], "trackers.0.mode"),
        (["--set", "trackers=[wandb, {kind: wandb}]"], "the tracker 'wandb' appears 2 times"),
        (["--set", "trackers=wandb"], "trackers: expected a list, got the string 'wandb'"),
        (["--set", "trackers=[{project: x}]"], "trackers.0"),
    ],
)
def test_a_tracker_that_is_none_is_refused(clsim, things, words, says):
    said = clsim("run", things.scenario, "--out", "run", *words)
    assert said.code == 2
    assert says in said.err
    assert not Path("run").exists()


def test_online_without_a_key_is_refused_and_nobody_is_asked(clsim, things, monkeypatch):
    online = ["--set", "trackers=[{kind: wandb, mode: online}]"]
    said = clsim("run", things.scenario, "--out", "run", *online)
    assert said.code == 2
    assert "there is no key for Weights & Biases" in said.err
    assert "wandb login" in said.err
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert clsim("run", things.scenario, "--out", "run", *online).code == 0
    assert read("wandb", Path("run"), Path()).status == "complete"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert clsim("run", things.scenario, "--out", "other", *online).code == 0
    assert not Path("other/wandb").exists()


@pytest.mark.parametrize("event", ["begin", "session", "end", "close"])
def test_a_tracker_that_is_down_leaves_the_others_alone(clsim, things, monkeypatch, event):
    def down(self, *content):
        raise ConnectionError("the server does not answer")

    monkeypatch.setattr(f"clsim.report.trackers.wandb.WandbTracker.{event}", down)
    said = clsim("run", things.scenario, "--out", "run", *options(*KINDS))
    assert said.code == 0
    assert said.err == "clsim: WandbTracker is left out from here on: the server does not answer\n"
    assert "final accuracy" in said.out
    for kind in ("tensorboard", "mlflow"):
        assert read(kind, Path("run"), Path("mlruns")).status == "complete"


def test_a_tracker_that_hangs_costs_seconds(clsim, things, monkeypatch):
    import threading

    released = threading.Event()
    monkeypatch.setattr("clsim.report.trackers.wandb.WandbTracker.begin", lambda self, run: released.wait(60))
    monkeypatch.setattr(BackgroundListener, "SILENT", 0.1)
    monkeypatch.setattr(BackgroundListener.__init__, "__kwdefaults__", {"patience": 0.2})
    said = clsim("run", things.scenario, "--out", "run", "--quiet", *options("wandb"))
    released.set()
    for thread in threading.enumerate():
        if thread.name == "WandbTracker":
            thread.join(20)
    assert said.code == 0
    assert said.err.endswith("clsim: WandbTracker is left out: it has not answered\n")


def test_a_server_that_is_not_there_is_told_once(clsim, things, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    change = "trackers=[{kind: mlflow, uri: 'http://127.0.0.1:9'}, tensorboard]"
    said = clsim("run", things.scenario, "--out", "run", "--quiet", "--set", change)
    assert said.code == 0
    (line,) = [line for line in said.err.splitlines() if "waiting for" not in line]
    assert line.startswith("clsim: MlflowTracker is left out from here on: ")
    assert read("tensorboard", Path("run"), Path()).status == "complete"


def test_names_from_elsewhere(clsim, things):
    name = "[bold]<b> é ; $(touch marker) {0}%s"
    Path(f"{name}.yaml").write_text(things.scenario.read_text())
    out = f"run {name}*?[a]\u202e\x1b[2J"
    block = f"trackers=[{{kind: mlflow, experiment: {json.dumps(out)}}}]"
    said = clsim("run", f"{name}.yaml", "--out", out, "--set", block, *options(*KINDS))
    assert (said.code, said.err) == (0, "")
    known = [read(kind, Path(out), Path("mlruns")) for kind in KINDS]
    assert [each.status for each in known] == ["complete"] * 3
    assert {each.parameters["scenario"] for each in known} == {name}
    assert known[1].files["results.json"] == Path(out, "results.json").read_text()
    assert not Path("marker").exists()


def test_a_scenario_that_names_trackers_says_the_same_when_it_is_read_again(tmp_path, things):
    text = "trackers: [tensorboard, {kind: wandb, project: mine}, {kind: mlflow, uri: 'sqlite:///x.db'}]\n"
    (tmp_path / "a.yaml").write_text(things.scenario.read_text() + text)
    loaded = load_scenario(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text(loaded.to_yaml())
    assert load_scenario(tmp_path / "b.yaml").trackers == loaded.trackers
    chosen = chosen_trackers(loaded.trackers, ["wandb"])
    assert [block.kind for block in chosen] == ["tensorboard", "wandb", "mlflow"]
    assert chosen[1] == Wandb(project="mine")


def test_where_mlflow_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place(Mlflow()) == (tmp_path / "mlruns").as_uri()
    assert place(Mlflow(uri="a b")) == (tmp_path / "a b").as_uri()
    assert place(Mlflow(uri="http://host")) == "http://host"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")
    assert place(Mlflow()) == "http://other"
    assert place(Mlflow(uri="a")) == (tmp_path / "a").as_uri()


def test_a_stand_in_is_tracked_as_what_was_asked_for(things, tmp_path):
    content = yaml.safe_load(things.scenario.read_text())
    content["stream"]["dataset"] = "mini_imagenet"
    content["strategies"]["zero_shot"]["pretrained"] = str(things.clip)
    content |= {"otherwise": str(things.scenario), "trackers": ["tensorboard"]}
    (tmp_path / "asked.yaml").write_text(yaml.safe_dump(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLSIM_DATA", str(tmp_path / "no data"))
        prepared = prepare(tmp_path / "asked.yaml", None, None, None, "cpu", strict=False)
    assert prepared.stands_in_for
    assert prepared.scenario.trackers == ["tensorboard"]


def test_an_unknown_name_in_python(things):
    with pytest.raises(UserError, match="there is no tracker 'x'"):
        chosen_trackers(["x"])
    with pytest.raises(UserErrors, match=r"at least|not empty"):
        load_scenario(things.scenario, ["trackers=[{kind: mlflow, uri: ''}]"])
