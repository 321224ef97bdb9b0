import json
from pathlib import Path

import pytest
import yaml

from clsim.config import load_scenario
from clsim.config.discovery import find_scenario
from clsim.config.seeds import EffectiveSeeds, Seeds
from clsim.experiment.stand_in import stand_in_for


def test_the_stand_in_takes_strategy_seed_and_settings_over():
    changes = {"strategy.epochs": 3, "strategy.prompts": 4}
    stand_in, dropped = stand_in_for(load_scenario("cifar_fscil", changes, seed=7))
    assert (stand_in.name, stand_in.seed, stand_in.selected_strategy.name) == ("shapes_fscil", 7, "cpe_clip")
    assert stand_in.selected_strategy.settings["epochs"] == 3
    assert stand_in.selected_strategy.settings["prompts"] == 4
    assert stand_in.selected_strategy.settings["pretrained"] == "shapes_clip"
    assert dropped == []


@pytest.mark.parametrize("weights", ["small_clip", "laion2b_s34b_b88k"])
def test_weights_and_stream_are_its_own_and_what_is_dropped_is_named(weights):
    changes = {"strategy.pretrained": weights, "stream.splits": {"draw": 1}, "stream.shots": 1}
    stand_in, dropped = stand_in_for(load_scenario("cifar_fscil", changes))
    assert stand_in.selected_strategy.settings["pretrained"] == "shapes_clip"
    assert stand_in.stream.shots == 5
    assert sorted(dropped) == ["strategy.pretrained", "stream.shots", "stream.splits"]


def test_a_stand_in_takes_seeds_over_where_it_draws_by_them(tmp_path, monkeypatch):
    changes = {"stream.splits": "drawn", "seeds.shots": 3, "seeds.order": 5, "seeds.initialization": 6}
    stand_in, dropped = stand_in_for(load_scenario("cifar_fscil", changes, seed=7))
    assert stand_in.effective_seeds == EffectiveSeeds.of(7, Seeds(order=5, initialization=6))
    assert sorted(dropped) == ["seeds.shots", "stream.splits"]
    monkeypatch.chdir(tmp_path)
    written = yaml.safe_load(find_scenario("shapes_fscil").read_text())
    written["stream"]["splits"], written["seeds"] = "drawn", {"order": 1, "shots": 2}
    Path("drawing.yaml").write_text(yaml.safe_dump(written))
    changes["otherwise"] = "./drawing.yaml"
    stand_in, dropped = stand_in_for(load_scenario("cifar_fscil", changes))
    assert stand_in.seeds == Seeds(order=5, initialization=6, shots=3)
    assert dropped == ["stream.splits"]
    # What the stand-in has by itself is not what the scenario asked for.
    stand_in, _ = stand_in_for(load_scenario("cifar_fscil", {"otherwise": "./drawing.yaml"}, seed=7))
    assert stand_in.effective_seeds == EffectiveSeeds.of(7, Seeds())


def test_weights_in_a_file_are_taken_along(tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"")
    stand_in, dropped = stand_in_for(load_scenario("cifar_fscil", {"strategy.pretrained": str(path)}))
    assert stand_in.selected_strategy.settings["pretrained"] == str(path)
    assert dropped == []


def test_another_strategy_takes_the_stand_ins_settings_of_it():
    stand_in, _ = stand_in_for(load_scenario("cifar_fscil", strategy="fine_tune"))
    assert stand_in.selected_strategy.settings["pretrained"] == "shapes_clip"
    assert json.dumps(stand_in.selected_strategy.settings)


def test_a_strategy_file_of_ones_own_stands_in_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("def build(stream, *, width: int = 3):\n    ...\n")
    stand_in, dropped = stand_in_for(load_scenario("cifar_fscil", {"strategy.width": 5}, strategy="./mine.py"))
    assert stand_in.selected_strategy.settings == {"width": 5}
    assert dropped == []


def test_a_stand_in_takes_over_what_is_measured_anywhere_and_names_the_rest():
    changes = {
        "evaluation.batch_size": 7,
        "evaluation.compatibility": {"images": "cifar10"},
        "models.small_clip.epochs": 1,
    }
    stand_in, dropped = stand_in_for(load_scenario("cifar_fscil", changes))
    assert stand_in.evaluation.batch_size == 7
    assert stand_in.evaluation.compatibility is None
    assert sorted(dropped) == ["evaluation.compatibility", "models.small_clip"]


def test_a_budget_and_draws_are_taken_over_where_there_are_shots(tmp_path, monkeypatch):
    changes = {"draws": 3, "budget.steps": 5, "budget.base.images": 70}
    stand_in, dropped = stand_in_for(load_scenario("cifar_fscil", changes))
    assert (stand_in.draws, stand_in.budget.steps, stand_in.budget.base.images) == (3, 5, 70)
    assert dropped == []
    monkeypatch.chdir(tmp_path)
    whole = yaml.safe_load(find_scenario("shapes_fscil").read_text())
    stream = {"kind": "incremental", "dataset": "shapes", "base_classes": 60, "ways": 5}
    Path("whole.yaml").write_text(
        yaml.safe_dump({**whole, "stream": stream, "strategy": "fine_tune", "references": []})
    )
    loaded = load_scenario("cifar_fscil", {**changes, "otherwise": "./whole.yaml"}, strategy="fine_tune")
    stand_in, dropped = stand_in_for(loaded)
    assert stand_in.draws is None
    assert "draws" in dropped
