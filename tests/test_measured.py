"""What a scenario asks for reaches the metrics."""

from contextlib import suppress

from clsim.config import load_scenario
from clsim.measured import Measured
from clsim.metrics.similarity import held
from clsim.prepare import prepare


def test_the_memory_of_comparisons_is_the_scenarios(tmp_path):
    loaded = load_scenario("shapes_upgrade", {"evaluation.memory": 3})
    prepared = prepare(loaded, None, None, None, "cpu", strict=True)
    versions, seen = Measured.of(prepared, tmp_path).versions, []
    versions.measure = lambda strategy: seen.append(held()) or ({}, None)
    versions.after_training_exp(prepared.strategy)
    with suppress(KeyError):  # a record without figures
        versions.after_eval(prepared.strategy)
    assert seen == [3 * 2**20 // 4]  # float32
    assert held() != seen[0]


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


def test_a_loss_that_is_none_leaves_a_record_of_the_rest(tmp_path):
    import clsim

    results = clsim.run(
        "shapes_upgrade",
        overrides={
            "stream.images_per_class": 2,
            "strategy.epochs": 2,
            "strategy.warmup": 0,
            "strategy.lr": 1e30,
            "on_nan": "skip",
            "stream.classes": [4, 6],
        },
        out=tmp_path / "run",
        device="cpu",
    ).to_dict()
    assert results["status"] == "complete"
    assert None in results["sessions"][0]["training"]["loss"]
