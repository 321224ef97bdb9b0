"""What a scenario asks for reaches the metrics."""

import json
from contextlib import suppress

import pytest
import torch

from clsim.config import load_scenario
from clsim.experiment.build import prepare
from clsim.experiment.evaluation import SessionEvaluator, accuracy_record, forgetting_record
from clsim.metrics.class_accuracy import ClassCounts
from clsim.metrics.functional.similarity import max_similarities
from clsim.metrics.training_curve import TrainingCurve
from clsim.utils.errors import RunFailed


def test_the_memory_of_comparisons_is_the_scenarios(tmp_path):
    loaded = load_scenario("shapes_upgrade", {"evaluation.memory": 3})
    prepared = prepare(loaded, None, None, None, "cpu", strict=True)
    versions, seen = SessionEvaluator.of(prepared, tmp_path).versions, []
    versions.measure = lambda strategy: seen.append(max_similarities()) or ({}, None)
    versions.after_training_exp(prepared.strategy)
    with suppress(KeyError):  # a record without figures
        versions.after_eval(prepared.strategy)
    assert seen == [3 * 2**20 // 4]  # float32
    assert max_similarities() != seen[0]


def test_loss_and_accuracy_of_every_epoch_are_recorded(tmp_path):
    import clsim

    results = clsim.run(
        "shapes_upgrade",
        overrides={"stream.images_per_class": 2, "strategy.epochs": 3, "stream.classes": [4, 6]},
        out=tmp_path / "run",
        device="cpu",
    ).to_dict()
    for record in results["sessions"]:
        assert len(record["training"]["loss"]) == len(record["training"]["accuracy"]) == 3
        assert record["training"]["loss"][0] > 0
        assert all(0 <= share <= 1 for share in record["training"]["accuracy"])


def test_a_loss_that_is_none_leaves_a_record_of_the_rest():
    curve = TrainingCurve()
    curve._loss, curve._accuracy = [2.5, float("nan"), float("inf")], [0.25, 0.5, 0.5]
    record = SessionEvaluator(None, None, curve, None).training_record()
    assert record == {"loss": [2.5, None, None], "accuracy": [0.25, 0.5, 0.5]}


def test_a_diverged_model_is_not_measured(tmp_path):
    import clsim

    changes = {
        "stream.images_per_class": 2,
        "strategy.epochs": 2,
        "strategy.warmup": 0,
        "strategy.lr": 1e30,
        "on_nan": "skip",
        "stream.classes": [4, 6],
    }
    with pytest.raises(RunFailed, match=r"NaN or infinite for \d+ of \d+ test images, while evaluating in session 0"):
        clsim.run("shapes_upgrade", overrides=changes, out=tmp_path / "run", device="cpu")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (results["status"], results["sessions"]) == ("failed", [])


def test_blocks_without_test_images_have_no_accuracy():
    counts = ClassCounts(torch.tensor([2, 0, 0]), torch.tensor([4, 0, 0]))
    assert accuracy_record(counts, ((0,), (1,))) == {
        "accuracy": 0.5,
        "base_accuracy": 0.5,
        "novel_accuracy": None,
        "harmonic_mean": None,
    }
    assert set(accuracy_record(counts, ((1,), (2, 0))).values()) == {None, 0.5}
    assert accuracy_record(counts, ((1,), (2, 0)))["base_accuracy"] is None
    assert forgetting_record([[0.5], [0.25, None]]) == {"from_best": 0.25, "from_first": 0.25}
    assert forgetting_record([[0.5]]) is forgetting_record([[None], [None, None]]) is None
