import json
from functools import partial

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.listening import Heard
from helpers.tiny import TinyModel, tiny_clip, tiny_dataset, tiny_images
from safetensors.torch import load_file
from torch import nn

import clsim
from clsim.api import run
from clsim.experiment.events import FilesWritten, RunEnded, RunStarted, SessionEnded
from clsim.metrics.cross_test import CrossTests
from clsim.metrics.feature_files import recompute_matrix
from clsim.metrics.search_service import SearchService
from clsim.models import PromptedCLIP, StationaryClassifier
from clsim.models.replacement_model import ReplacementModel
from clsim.plugins import BaseSession, ClassScope, ModelReplacement, NewClassGradientScale, WarmupCosine
from clsim.streams import Replacement, fscil, replacement
from clsim.training import Strategy
from clsim.utils.errors import RunFailed, UserError

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


def without_times(results: dict) -> dict:
    sessions = [{key: value for key, value in record.items() if key not in TIMES} for record in results["sessions"]]
    return {**results, "sessions": sessions}


def test_a_run_leaves_what_the_design_says(tmp_path):
    heard = Heard()
    results = run(stream(), learner(), out=tmp_path / "run", listeners=[heard])
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"manifest.json", "results.json", "sessions.jsonl", "report.html", "confusion.json", "checkpoints"} == files
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    assert written == json.loads(json.dumps(results.to_dict()))
    assert written["status"] == "complete"
    assert [len(row) for row in written["accuracy_matrix"]] == [1, 2, 3]
    lines = [json.loads(line) for line in (tmp_path / "run" / "sessions.jsonl").read_text().splitlines()]
    assert lines == written["sessions"]
    assert heard.kinds[0] is RunStarted
    assert heard.kinds[-2:] == [FilesWritten, RunEnded]
    assert heard.kinds.count(SessionEnded) == 3
    assert heard.events[-1].results == written


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
    heard = Heard()
    with pytest.raises(type(error)):
        run(stream(), learner(plugins=[Stop(error)]), out=tmp_path / "run", listeners=[heard])
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    assert written["status"] == status
    assert len(written["sessions"]) == 1
    assert heard.kinds[-1] is RunEnded
    assert not (tmp_path / "run" / ".lock").exists()


class Poison(SupervisedPlugin):
    """Makes weights NaN before the evaluation of session 1."""

    def __init__(self, on):
        super().__init__()
        self.on = on

    def before_eval(self, strategy, **kwargs):
        if self.on and strategy.clock.train_exp_counter == 2:
            with torch.no_grad():
                next(strategy.model.parameters()).fill_(float("nan"))


def test_a_model_that_breaks_is_not_measured_and_the_run_goes_on_from_its_checkpoint(tmp_path):
    def poisoned(on):
        return learner(plugins=[ClassScope("seen", "seen"), Poison(on)])

    with pytest.raises(
        RunFailed, match="NaN or infinite for 80 of 80 test images, while evaluating in session 1"
    ) as told:
        run(stream(), poisoned(True), out=tmp_path / "run")
    assert "the last checkpoint is of session 0" in told.value.fix
    left = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (left["status"], len(left["sessions"])) == ("failed", 1)
    resumed = run(stream(), poisoned(False), out=tmp_path / "run", resume=True)
    whole = run(stream(), poisoned(False), out=tmp_path / "whole")
    assert resumed.status == "complete"
    assert resumed.accuracy_matrix == whole.accuracy_matrix


def test_a_used_directory_loses_nothing(tmp_path):
    run(stream(), learner(), out=tmp_path / "run")
    before = (tmp_path / "run" / "results.json").read_bytes()
    with pytest.raises(UserError, match="already holds a run"):
        run(stream(), learner(seed=5), out=tmp_path / "run")
    assert (tmp_path / "run" / "results.json").read_bytes() == before


def test_arguments_that_would_be_ignored_are_refused(tmp_path):
    with pytest.raises(UserError, match="its seed already"):
        run(stream(), learner(), seed=3, out=tmp_path / "run")
    with pytest.raises(UserError, match="overrides do not apply to a loaded scenario"):
        run(clsim.load_scenario("shapes_fscil"), overrides={"stream.shots": 1})
    with pytest.raises(UserError, match="needs a Strategy"):
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


class TinyBackbone(nn.Module):
    """A linear map of the pixels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear, self.num_features = nn.Linear(192, width), width

    def forward(self, images):
        return self.linear(images.flatten(1) - 0.5)


def replaced(folder=None):
    """Three sessions of 10, 8 and 8 iterations; before the second and before and during the third a model arrives."""
    torch.manual_seed(0)
    arriving = [
        Replacement(ReplacementModel("first", TinyBackbone(6), torch.randn(11, 6)), 1),
        Replacement(ReplacementModel("second", TinyBackbone(4), torch.randn(11, 4)), 2),
        Replacement(ReplacementModel("third", TinyBackbone(9)), 2, after_iterations=5),
    ]
    stream = replacement(tiny_dataset(), base_classes=4, ways=3, replacements=arriving)
    metric = CrossTests(
        tiny_images(6, seed=2), tiny_images(6, seed=3), folder=folder, service=SearchService(3, steps=4)
    )
    strategy = learner(
        model=StationaryClassifier(TinyBackbone(5), 12),
        train_mb_size=16,
        train_epochs=2,
        plugins=[ModelReplacement(), ClassScope("all", "seen")],
    )
    strategy.evaluator.metrics.append(metric)
    return stream, strategy, metric


def test_models_that_arrive_and_their_compatibility_stand_in_the_results(tmp_path):
    stream, strategy, metric = replaced(tmp_path / "features")
    run(stream, strategy, out=tmp_path / "run")
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    sessions = written["sessions"]
    assert [record["replaced_by"] for record in sessions] == [None, "first", "third"]
    arrivals = [[(r["model"], r["after_iterations"]) for r in record["replacements"]] for record in sessions]
    assert arrivals == [[], [("first", 0)], [("second", 0), ("third", 5)]]
    for record in sessions:
        seconds = [replacement["seconds"] for replacement in record["replacements"]]
        assert seconds == sorted(seconds)
        assert all(0 < moment < record["train_seconds"] for moment in seconds)
    assert strategy.model.backbone.num_features == 9
    hashes = json.loads((tmp_path / "run" / "manifest.json").read_text())["hashes"]
    assert {f"replacement {r.model.name}": r.model.sha256 for r in stream.replacements}.items() <= hashes.items()

    first, second, third = metric.matrix
    assert written["compatibility_matrix"] == [[*first, None, None], [*second, None], third]
    assert [record["compatibility"]["self_test"] for record in sessions] == [first[0], second[1], third[2]]
    assert [record["compatibility"]["cross_tests"] for record in sessions] == [[], second[:1], third[:2]]
    assert sessions[0]["compatibility"]["ac"] is None
    pairs = [second[0] > first[0], third[0] > first[0], third[1] > second[1]]
    assert written["summary"]["ac"] == sessions[2]["compatibility"]["ac"] == pytest.approx(sum(pairs) / 3)
    assert written["summary"]["am"] == pytest.approx((sum(first) + sum(second) + sum(third)) / 6)
    assert recompute_matrix(tmp_path / "features") == metric.matrix


def test_what_the_service_saved_is_summed_up(tmp_path):
    results = run(*replaced()[:2], out=tmp_path / "run").to_dict()
    services = [record["service"] for record in results["sessions"]]
    assert [service["items_by_version"] for service in services] == [[20], [20, 20], [20, 20, 20]]
    assert [service["images_not_reprocessed"] for service in services] == [0, 20, 40]
    assert services[0]["backfill"] is None
    assert len(services[2]["backfill"]["fractions"]) == 5
    saved = results["summary"]["service"]
    assert saved["images_not_reprocessed"] == 60
    assert saved["device_seconds_saved"] == pytest.approx(sum(s["device_seconds_saved"] for s in services))


def test_without_cross_tests_nothing_is_said_of_compatibility(tmp_path):
    results = run(stream(), learner(), out=tmp_path / "run").to_dict()
    assert results["compatibility_matrix"] is None
    assert [(r["compatibility"], r["service"], r["replacements"]) for r in results["sessions"]] == [
        (None, None, [])
    ] * 3
    assert [results["summary"][key] for key in ("ac", "am", "service")] == [None] * 3


REPLACED = """\
stream:
  kind: replacement
  dataset: shapes
  base_classes: 3
  ways: 2
  sessions: 1
  images_per_class: 4
  replacements:
    - {model: trained, before: 0}
    - {model: random, during: 1, after_iterations: 1}
strategy: stationary
strategies:
  stationary: {backbone: resnet8x2, vertices: 128, epochs: 1, batch_size: 4, cpu_workers: 1}
models:
  trained:
    {kind: classifier, dataset: shapes, classes: 4, images_per_class: 8, backbone: resnet8x2, vertices: 128,
     epochs: 1, batch_size: 8, sizes: [16], cpu_workers: 1, precision: fp32}
  random: {kind: timm, name: test_resnet, weights: none}
evaluation:
  compatibility: {images: stream, criterion: nearest_class_mean, images_per_class: 4}
  service: {queries: 10, steps: 2}
"""


def test_a_scenario_makes_its_models_and_keeps_the_features_of_every_version(tmp_path, monkeypatch):
    monkeypatch.setenv("CLSIM_MODELS", str(tmp_path / "models"))
    (tmp_path / "small.yaml").write_text(REPLACED)
    results = run(tmp_path / "small.yaml", out=tmp_path / "run", device="cpu").to_dict()
    assert [record["replaced_by"] for record in results["sessions"]] == ["trained", "random"]
    assert results["sessions"][1]["replacements"][0]["after_iterations"] == 1
    (weights,) = (tmp_path / "models").glob("*.safetensors")
    assert json.loads(weights.with_suffix(".json").read_text())["recipe"]["head"] == "simplex"
    folder = tmp_path / "run" / "features"
    assert {path.stem for path in folder.iterdir()} == {"labels", "version0", "version1"}
    matrix = [row[: index + 1] for index, row in enumerate(results["compatibility_matrix"])]
    assert recompute_matrix(folder) == matrix
    assert results["summary"]["service"]["images_not_reprocessed"] > 0
