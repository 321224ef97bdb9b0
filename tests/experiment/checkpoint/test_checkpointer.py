"""A run that ends before its time, and goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from experiment.test_runner import learner, prompted, stream
from helpers.kills import left
from helpers.listening import Heard
from helpers.tiny import TinyModel, tiny_clip, tiny_images
from safetensors.torch import load

from clsim.api import run
from clsim.experiment import runner
from clsim.experiment.checkpoint import checkpointer
from clsim.experiment.checkpoint.checkpointer import Checkpointer, Schedule
from clsim.models import PromptedCLIP
from clsim.plugins import ClassScope, OneCycle, Rehearsal
from clsim.utils.errors import RunFailed, UserError
from clsim.utils.signals import Interrupted, Interruption


class Ended(Exception):
    """Of a run, as if somebody had pulled the plug."""


@pytest.fixture
def ends(monkeypatch):
    """Has the next runs save after every second iteration, and end after so many, or never."""
    monkeypatch.setattr(runner, "Schedule", partial(Schedule, iterations=2))
    real, state = Checkpointer._after_step, {"left": None}

    def after_step(self):
        real(self)
        if state["left"] is not None:
            state["left"] -= 1
            if state["left"] == 0:
                raise Ended

    monkeypatch.setattr(Checkpointer, "_after_step", after_step)

    def at(step):
        state["left"] = step

    at.state = state
    return at


def momentum(seed):
    """An optimiser that outlives the sessions."""
    torch.manual_seed(seed)
    model = TinyModel()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
    return learner(seed, model=model, optimizer=optimizer, train_epochs=2)


def rehearsed(seed):
    torch.manual_seed(seed)
    plugins = [Rehearsal(per_class=3), ClassScope("seen", "seen"), OneCycle(max_lr=0.2, later_lr=0.1)]
    return learner(seed, model=TinyModel(), plugins=plugins, train_epochs=3)


def scaled(seed):
    return learner(seed, train_epochs=2, precision="fp16")


def noisy(seed):
    return learner(seed, train_epochs=2, augment=lambda images: images + torch.rand(images.shape[0], 1, 1, 1))


LEARNERS = {"prompts": prompted, "one optimiser": momentum, "rehearsal": rehearsed, "fp16": scaled, "noise": noisy}


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("shares", [(0.0,), (0.3, 0.3), (0.5, 0.1, 0.1), (0.7, 0.0, 0.1)])
def test_a_run_that_is_resumed_ends_as_one_that_was_not(tmp_path, name, shares, ends):
    make = LEARNERS[name]
    ends(1000)
    run(stream(), make(5), out=tmp_path / "whole")
    steps = 1000 - ends.state["left"]
    for share in shares:
        ends(1 + int(share * steps))
        with pytest.raises(Ended):
            run(stream(), make(5), out=tmp_path / "run", resume=True)
    ends(None)
    results = run(stream(), make(5), out=tmp_path / "run", resume=True)
    assert results.status == "complete"
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_an_epoch_that_goes_on_begins_at_its_own_time(tmp_path, ends):
    began = []

    class Epochs(SupervisedPlugin):
        def before_training_epoch(self, strategy, **kwargs):
            began.append((strategy.experience.current_experience, strategy.clock.train_exp_epochs))

    def make(_):
        strategy = rehearsed(5)
        strategy.plugins.insert(0, Epochs())
        return strategy

    ended(tmp_path / "run", ends, step=9, make=make)
    began.clear()
    run(stream(), make(5), out=tmp_path / "run", resume=True)
    assert began == [(session, epoch) for session in range(3) for epoch in range(3)][1:]


def ended(place, ends, step=11, seed=5, make=rehearsed):
    ends(step)
    with pytest.raises(Ended):
        run(stream(), make(seed), out=place)
    ends(None)


def resumed(place, seed=5, make=rehearsed, **how):
    told = Heard()
    run(stream(), make(seed), out=place, resume=True, listeners=[told], **how)
    return told.notes


def test_a_truncated_checkpoint_is_told_and_the_one_before_is_taken(tmp_path, ends):
    run(stream(), rehearsed(5), out=tmp_path / "whole")
    ended(tmp_path / "run", ends)
    last, before, *_ = sorted((tmp_path / "run" / "checkpoints").glob("session*-step*.safetensors"), reverse=True)
    last.write_bytes(last.read_bytes()[:-10])
    notes = resumed(tmp_path / "run")
    assert f"{last.with_suffix('.json')} is damaged: its checksum does not agree; using the one before" in notes
    assert f"resuming in session 0, after {int(before.stem[-9:])} iterations" in notes
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_a_checkpoint_that_was_passed_over_is_not_in_the_way_of_later_ones(tmp_path, ends):
    ended(tmp_path / "run", ends)
    last, before, *_ = sorted((tmp_path / "run" / "checkpoints").glob("session*-step*.json"), reverse=True)
    last.write_text("{}")
    ends(1)
    with pytest.raises(Ended):
        run(stream(), rehearsed(5), out=tmp_path / "run", resume=True)
    assert not last.exists()
    assert before.exists()


def test_where_all_checkpoints_are_damaged_it_begins_anew(tmp_path, ends):
    run(stream(), rehearsed(5), out=tmp_path / "whole")
    ended(tmp_path / "run", ends, step=21)
    for path in (tmp_path / "run" / "checkpoints").glob("session*.json"):
        path.write_text("{}")
    notes = resumed(tmp_path / "run")
    assert sum("is damaged" in note for note in notes) >= 2
    assert notes[-1] == "there is no checkpoint yet; starting from the beginning"
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_a_session_needs_the_checkpoint_that_it_began_from(tmp_path, ends):
    run(stream(), momentum(5), out=tmp_path / "whole")
    ended(tmp_path / "run", ends, step=14, make=momentum)
    folder = tmp_path / "run" / "checkpoints"
    assert sorted(path.stem for path in folder.glob("*.json"))[-1].startswith("session0001-step")
    (folder / "session0000-done.json").unlink()
    notes = resumed(tmp_path / "run", make=momentum)
    assert any("session0001-step" in note and "is damaged" in note for note in notes)
    assert notes[-1] == "there is no checkpoint yet; starting from the beginning"
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_a_training_that_took_long_is_saved_before_it_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpointer, "WORTH", 0.0)
    run(stream(), rehearsed(5), out=tmp_path / "whole")
    strategy = rehearsed(5)
    monkeypatch.setattr(strategy, "eval", lambda *_: (_ for _ in ()).throw(Ended))
    with pytest.raises(Ended):
        run(stream(), strategy, out=tmp_path / "run")
    assert (tmp_path / "run" / "checkpoints" / "session0000-trained.json").exists()
    strategy = rehearsed(5)
    trained = []
    real = strategy.train
    monkeypatch.setattr(strategy, "train", lambda session, **more: trained.append(session) or real(session, **more))
    run(stream(), strategy, out=tmp_path / "run", resume=True)
    assert [session.current_experience for session in trained] == [1, 2]
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_records_beyond_the_checkpoint_are_written_anew(tmp_path, ends):
    ended(tmp_path / "run", ends, step=21)
    with (tmp_path / "run" / "sessions.jsonl").open("a") as lines:
        lines.write('{"session": 1, "accuracy": 0.99}\n{"session": 2, "acc')
    resumed(tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "sessions.jsonl").read_text().splitlines()]
    assert lines == json.loads((tmp_path / "run" / "results.json").read_text())["sessions"]


def test_another_run_is_refused_with_the_difference_and_forced_with_a_note(tmp_path, ends):
    ended(tmp_path / "run", ends)
    before = (tmp_path / "run" / "manifest.json").read_bytes()
    with pytest.raises(UserError, match="began with something else: seed: 5 -> 6"):
        resumed(tmp_path / "run", seed=6)
    assert (tmp_path / "run" / "manifest.json").read_bytes() == before
    resumed(tmp_path / "run", seed=6, force=True)
    (noted,) = json.loads((tmp_path / "run" / "manifest.json").read_text())["resumed"]
    assert noted["differences"] == ["seed: 5 -> 6"]


def test_data_that_changed_under_the_run_are_refused(tmp_path, ends, monkeypatch):
    ended(tmp_path / "run", ends)
    monkeypatch.setattr("experiment.test_runner.tiny_dataset", lambda: changed_dataset())
    with pytest.raises(UserError, match=r"hashes\.train images: \w{12} -> \w{12}"):
        resumed(tmp_path / "run")


def changed_dataset():
    from clsim.data.core.images import DataSet

    train = tiny_images(20, seed=0)
    train.pixels[7, 0, 0, 0] += 1
    return DataSet("tiny", train, tiny_images(10, seed=1))


def test_a_checkpoint_of_another_model_does_not_fit(tmp_path, ends):
    ended(tmp_path / "run", ends)
    with pytest.raises(UserError, match="this checkpoint does not fit the run"):
        resumed(tmp_path / "run", make=prompted, force=True)


def test_frozen_weights_that_changed_are_refused(tmp_path, ends):
    def weights_of(seed):
        def make(_):
            strategy = prompted(5)
            strategy.model = PromptedCLIP.from_clip(tiny_clip(seed=seed), stream().class_names, depth=3)
            return strategy

        return make

    ended(tmp_path / "run", ends, make=weights_of(0))
    with pytest.raises(UserError, match="the frozen weights of the model differ"):
        resumed(tmp_path / "run", make=weights_of(1), force=True)


def test_a_complete_run_is_left_as_it_is(tmp_path):
    whole = run(stream(), rehearsed(5), out=tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.is_file()}
    told = Heard()
    again = run(stream(), rehearsed(5), out=tmp_path / "run", resume=True, listeners=[told])
    assert again.to_dict() == whole.to_dict()
    assert told.notes == [f"{tmp_path / 'run'} is complete already"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_a_complete_run_of_something_else_is_not_taken_for_this_one(tmp_path):
    run(stream(), rehearsed(5), out=tmp_path / "run")
    for force in (False, True):
        with pytest.raises(UserError, match="began with something else: seed: 5 -> 6"):
            run(stream(), rehearsed(6), out=tmp_path / "run", resume=True, force=force)
    manifest = tmp_path / "run" / "manifest.json"
    content = json.loads(manifest.read_text())
    files = content.pop("files")
    manifest.write_text(json.dumps({**content, "clsim": "0.0.1"}))  # by an earlier clsim, and never sealed
    report = tmp_path / "run" / "report.html"
    report.unlink()
    assert run(stream(), rehearsed(5), out=tmp_path / "run", resume=True).status == "complete"
    assert json.loads(manifest.read_text())["files"] == files
    assert "files.results.json" in report.read_text(encoding="utf-8")


def test_without_a_place_the_last_unfinished_run_is_gone_on_with(tmp_path, monkeypatch, ends):
    monkeypatch.chdir(tmp_path)
    ended(None, ends)
    (place,) = (tmp_path / "runs" / "tiny" / "Strategy").iterdir()
    assert resumed(None)[0].startswith("resuming in session")
    assert json.loads((place / "results.json").read_text())["status"] == "complete"
    time.sleep(1.1)  # places are named by the second
    resumed(None)  # there is none any more: it begins
    assert len(list(place.parent.iterdir())) == 2


class Secretive(Rehearsal):
    """Keeps something that nobody could store."""

    def before_training_exp(self, strategy, **kwargs):
        super().before_training_exp(strategy, **kwargs)
        self.secret = iter([1])


def test_what_cannot_be_stored_is_told_and_the_run_goes_on(tmp_path):
    told = Heard()
    torch.manual_seed(0)
    strategy = learner(0, plugins=[Secretive(3)])
    results = run(stream(), strategy, out=tmp_path / "run", listeners=[told])
    assert results.status == "complete"
    assert told.notes[0].startswith("this run cannot be resumed: Secretive holds a list_iterator in secret")
    assert len(told.notes) == 1
    assert not list((tmp_path / "run" / "checkpoints").glob("session*"))


def test_a_plugin_of_avalanche_with_hidden_state_is_told_at_the_start(tmp_path):
    from avalanche.training.plugins import ReplayPlugin

    told = Heard()
    torch.manual_seed(0)
    strategy = learner(0, train_epochs=1, plugins=[ReplayPlugin(20)])
    run(stream(), strategy, out=tmp_path / "run", listeners=[told])
    assert told.notes == [
        "this run cannot be resumed: ReplayPlugin holds a ExperienceBalancedBuffer in storage_policy, "
        "which cannot be stored; give it state_dict() and load_state_dict(state)"
    ]


def test_a_full_disk_ends_the_run_and_what_is_there_goes_on(tmp_path, ends, monkeypatch):
    run(stream(), rehearsed(5), out=tmp_path / "whole")

    def full(self, moment, state):
        if moment.session == 1:
            raise OSError(28, "No space left on device")
        return real(self, moment, state)

    real = checkpointer.Checkpoints.save
    with monkeypatch.context() as patch:
        patch.setattr(checkpointer.Checkpoints, "save", full)
        with pytest.raises(OSError, match="No space left"):
            run(stream(), rehearsed(5), out=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "results.json").read_text())["status"] == "failed"
    assert resumed(tmp_path / "run")[0].startswith("resuming after session 0")
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_a_loss_that_is_no_number_names_the_last_good_checkpoint(tmp_path, ends):
    strategy = rehearsed(5)
    real, calls = strategy._criterion, []

    def criterion(logits, labels):
        calls.append(1)
        return real(logits, labels) * (float("nan") if len(calls) == 9 else 1.0)

    strategy._criterion = criterion
    with pytest.raises(RunFailed) as caught:
        run(stream(), strategy, out=tmp_path / "run")
    assert "the loss is nan in session 0, epoch 2, iteration 9" in str(caught.value)
    assert f"session 0, after 8 iterations; the same command with --resume --out {tmp_path / 'run'}" in str(
        caught.value
    )
    assert json.loads((tmp_path / "run" / "results.json").read_text())["status"] == "failed"
    resumed(tmp_path / "run")


def test_a_signal_waits_for_the_iteration_and_a_second_does_not(capsys):
    interruption, before = Interruption(), signal.getsignal(signal.SIGINT)
    with interruption.listening():
        interruption.waits = True
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert interruption.requested
        assert "stopping after this iteration" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
    assert signal.getsignal(signal.SIGINT) is before


def interrupting(real):
    def call(*given, **more):
        os.kill(os.getpid(), signal.SIGINT)
        return real(*given, **more)

    return call


def test_a_signal_saves_the_run_within_a_session_and_behind_it(tmp_path, monkeypatch):
    run(stream(), rehearsed(5), out=tmp_path / "whole")
    saved = {"before_forward": ["session0000-step000000001"], "after_training_exp": ["session0000-trained"]}
    for number, sends in enumerate((*saved, "before_eval")):
        strategy, place = rehearsed(5), tmp_path / f"run{number}"
        plugin = strategy.plugins[0]

        monkeypatch.setattr(plugin, sends, interrupting(getattr(plugin, sends)))
        with pytest.raises(Interrupted, match=f"--resume --out {place}"):
            run(stream(), strategy, out=place)
        assert json.loads((place / "results.json").read_text())["status"] == "interrupted"
        assert [path.stem for path in place.glob("checkpoints/*.json")] == saved.get(sends, [])
        assert (place / "sessions.jsonl").read_text() == ""  # an evaluation is not waited for
        run(stream(), rehearsed(5), out=place, resume=True)
        assert left(place) == left(tmp_path / "whole")


SMALL = ("stream.base_classes=10", "stream.ways=2", "stream.sessions=2", "strategy.epochs=12")


def command(*words, changes=SMALL):
    settings = [word for change in changes for word in ("--set", change)]
    return [sys.executable, "-m", "clsim", "run", "shapes_fscil", "--strategy", "cpe_clip", *settings, *words]


@pytest.mark.slow
def test_the_command_line_is_stopped_and_goes_on(tmp_path):
    def call(*words, **how):
        environment = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(command(*words, **how), env=environment, capture_output=True, text=True, check=False)

    whole, place = tmp_path / "whole", tmp_path / "run"
    assert call("--out", whole, "--quiet").returncode == 0
    stopped = subprocess.Popen(command("--out", place), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not (place / "manifest.json").exists():
        time.sleep(0.05)
    time.sleep(1.0)
    stopped.send_signal(signal.SIGTERM)
    _, told = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert f"--resume --out {place}".encode() in told
    assert b"Traceback" not in told
    refused = call("--out", place)
    assert refused.returncode == 2
    assert "resume the run (--resume)" in refused.stderr
    refused = call("--out", place, "--resume", "--seed", "3", changes=[*SMALL[:-1], "strategy.epochs=4"])
    assert refused.returncode == 2
    assert "something else: seed: 42 -> 3" in refused.stderr
    assert "something else: scenario strategies.cpe_clip.epochs: 12 -> 4" in refused.stderr
    assert "--force" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert call("--out", place, "--force").returncode == 2
    goes_on = call("--out", place, "--resume")
    assert goes_on.returncode == 0
    assert "resuming" in goes_on.stdout
    assert left(place) == left(whole)


def nearly(value):
    """Return figures that equal others up to the rounding of another machine's vector instructions."""
    if isinstance(value, dict):
        return {key: nearly(each) for key, each in value.items()}
    if isinstance(value, list):
        return [nearly(each) for each in value]
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


def test_a_run_of_an_earlier_version_is_resumed(tmp_path):
    shutil.copytree(Path(__file__).parent / "from_before" / "rehearsal", tmp_path / "run")
    heard = Heard()
    run(stream(), rehearsed(5), out=tmp_path / "run", resume=True, force=True, listeners=[heard])
    assert any("session 1, after 2 iterations" in note for note in heard.notes)
    run(stream(), rehearsed(5), out=tmp_path / "whole")
    resumed, whole = left(tmp_path / "run"), left(tmp_path / "whole")
    weights = [load(each.pop("checkpoints/last.safetensors")) for each in (resumed, whole)]
    # The recorded sessions lack what clsim has measured only since; the session after them has it all.
    for figures in (*whole["sessions"][:2], *whole["results"]["sessions"][:2]):
        before = resumed["sessions"][figures["session"]]
        for added in {"calibration", "train_flops", "eval_flops"} - before.keys():
            del figures[added]
    assert resumed == nearly(whole)
    torch.testing.assert_close(*weights)
