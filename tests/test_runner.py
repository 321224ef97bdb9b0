import json
from functools import partial

import pytest
import torch
from safetensors.torch import load_file
from tiny import TinyModel, tiny_clip, tiny_dataset

import clsim
from clsim.errors import UserError
from clsim.models import PromptedCLIP
from clsim.plugins import BaseSession, ClassScope, NewClassGradientScale, WarmupCosine
from clsim.runner import run
from clsim.streams import fscil
from clsim.training import Strategy

TIMES = {"train_seconds", "eval_seconds", "peak_memory_bytes"}


def stream():
    return fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})


def learner(seed: int = 0, **settings) -> Strategy:
    torch.manual_seed(seed)
    return Strategy(
        **{
            "model": TinyModel(),
            "optimizer": partial(torch.optim.SGD, lr=0.1),
            "train_mb_size": 20,
            "train_epochs": 10,
            "plugins": [ClassScope("seen", "seen")],
            **settings,
        }
    )


def prompted(seed: int) -> Strategy:
    torch.manual_seed(seed)
    model = PromptedCLIP.from_clip(tiny_clip(), stream().class_names, depth=3)
    schedule = WarmupCosine(max_lr=0.1, min_lr=0.01, warmup=5, cycle=20)
    return learner(
        seed,
        model=model,
        train_epochs=2,
        plugins=[BaseSession(epochs=2, train_mb_size=30), ClassScope(), schedule, NewClassGradientScale()],
    )


class Told:
    def __init__(self):
        self.events, self.results = [], []

    def __getattr__(self, name):
        def hear(*args, **kwargs):
            self.events.append(name)
            if name in ("session_ended", "run_ended"):
                self.results.append(json.loads(json.dumps(args[0])))

        return hear


def without_times(results: dict) -> dict:
    sessions = [{key: value for key, value in record.items() if key not in TIMES} for record in results["sessions"]]
    return {**results, "sessions": sessions}


def test_a_run_leaves_what_the_design_says(tmp_path):
    told = Told()
    results = run(stream(), learner(), out=tmp_path / "run", reporter=told)
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"manifest.json", "results.json", "sessions.jsonl", "checkpoints"} == files
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    assert written == json.loads(json.dumps(results.to_dict()))
    assert written["status"] == "complete"
    assert [len(row) for row in written["accuracy_matrix"]] == [1, 2, 3]
    lines = [json.loads(line) for line in (tmp_path / "run" / "sessions.jsonl").read_text().splitlines()]
    assert lines == written["sessions"]
    assert told.events[0] == "run_started"
    assert told.events[-1] == "run_ended"
    assert [event for event in told.events if event == "session_ended"] == ["session_ended"] * 3
    assert [len(results["sessions"]) for results in told.results] == [1, 2, 3, 3]


def test_records_agree_with_one_another(tmp_path):
    results = run(stream(), learner(), out=tmp_path / "run")
    first, last = results.sessions[0], results.sessions[-1]
    assert first["novel_accuracy"] is None
    assert first["forgetting"] is None
    assert first["images_trained"] == 1200
    assert first["trainable_parameters"] == 192 * 10 + 10
    assert last["seen_classes"] == 10
    row = last["accuracy_by_session"]
    assert last["accuracy"] == pytest.approx((row[0] * 60 + row[1] * 20 + row[2] * 20) / 100)
    assert last["base_accuracy"] == pytest.approx(row[0])
    assert last["novel_accuracy"] == pytest.approx((row[1] + row[2]) / 2)
    assert results.sessions[0]["accuracy"] > 0.6
    assert results.test_images == [60, 80, 100]


def test_same_seed_same_bytes_and_another_seed_another_start(tmp_path):
    paths = {}
    for name, seed in {"one": 1, "again": 1, "other": 2}.items():
        results = run(stream(), prompted(seed), out=tmp_path / name)
        weights = (tmp_path / name / "checkpoints" / "last.safetensors").read_bytes()
        paths[name] = (without_times(results.to_dict()), weights)
    assert paths["one"] == paths["again"]
    assert paths["one"][1] != paths["other"][1]


def test_frozen_weights_are_unchanged_and_only_prompts_are_stored(tmp_path):
    strategy = prompted(0)
    before = {name: tensor.clone() for name, tensor in strategy.model.state_dict().items()}
    run(stream(), strategy, out=tmp_path / "run")
    after = strategy.model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"prompts", "prompt_projection.weight", "prompt_projection.bias"}
    stored = load_file(tmp_path / "run" / "checkpoints" / "last.safetensors")
    assert set(stored) == moved
    assert torch.equal(stored["prompts"], after["prompts"])


class Stop(ClassScope):
    def __init__(self, error):
        super().__init__("seen", "seen")
        self.error = error

    def after_training_exp(self, strategy, **kwargs):
        if strategy.experience.current_experience == 1:
            raise self.error


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), "interrupted"), (RuntimeError("broken"), "failed")]
)
def test_a_run_that_ends_early_keeps_its_records_and_says_so(tmp_path, error, status):
    told = Told()
    with pytest.raises(type(error)):
        run(stream(), learner(plugins=[Stop(error)]), out=tmp_path / "run", reporter=told)
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    assert written["status"] == status
    assert len(written["sessions"]) == 1
    assert told.events[-1] == "run_ended"
    assert not (tmp_path / "run" / ".lock").exists()


def test_a_used_directory_loses_nothing(tmp_path):
    run(stream(), learner(), out=tmp_path / "run")
    before = (tmp_path / "run" / "results.json").read_bytes()
    with pytest.raises(UserError, match="already holds a run"):
        run(stream(), learner(seed=5), out=tmp_path / "run")
    assert (tmp_path / "run" / "results.json").read_bytes() == before


def test_arguments_that_would_be_ignored_are_refused(tmp_path):
    with pytest.raises(TypeError, match="its seed already"):
        run(stream(), learner(), seed=3, out=tmp_path / "run")
    with pytest.raises(TypeError, match="not changed any more"):
        run(clsim.load_scenario("shapes_fscil"), overrides={"stream.shots": 1})
    with pytest.raises(TypeError, match="run by a Strategy"):
        run(stream(), "cpe_clip")


def test_the_manifest_hashes_data_and_weights(tmp_path):
    run(stream(), prompted(0), out=tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["hashes"]["train images"] == tiny_dataset().train.sha256
    assert manifest["hashes"]["pre-trained weights"] == "0" * 64  # as the tiny CLIP says of itself


def test_public_names():
    assert clsim.run is run
    assert clsim.Strategy is Strategy
    with pytest.raises(AttributeError):
        _ = clsim.nonsense
