"""What a scenario asks for reaches the metrics."""

from clsim.config import load_scenario
from clsim.measured import Measured
from clsim.prepare import prepare


def test_the_memory_of_comparisons_is_the_scenarios(tmp_path):
    loaded = load_scenario("shapes_upgrade", {"evaluation.memory": 3})
    measured = Measured.of(prepare(loaded, None, None, None, "cpu", strict=True), tmp_path)
    assert measured.versions.similarities == 3 * 2**20 // 4  # float32


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
