import json
import warnings
from pathlib import Path

import pytest
import torch
import yaml
from helpers.tiny import tiny_dataset
from PIL import Image

from clsim.config import load_scenario
from clsim.config.discovery import find_scenario
from clsim.config.seeds import EffectiveSeeds, Seeds
from clsim.experiment import build as preparing
from clsim.experiment import replacements
from clsim.experiment.build import NO_GPU, _best_device, make_stream, prepare, resolve_device, stand_in_for
from clsim.models.backbones import make_backbone
from clsim.models.replacement_model import save_classifier
from clsim.plugins import ModelReplacement
from clsim.utils.errors import DataMissing, DataWarning, UserError


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
    changes = {"stream.splits": "drawn", "seeds.shots": 3, "seeds.order": 5, "seeds.initialisation": 6}
    stand_in, dropped = stand_in_for(load_scenario("cifar_fscil", changes, seed=7))
    assert stand_in.effective_seeds == EffectiveSeeds.of(7, Seeds(order=5, initialisation=6))
    assert sorted(dropped) == ["seeds.shots", "stream.splits"]
    monkeypatch.chdir(tmp_path)
    written = yaml.safe_load(find_scenario("shapes_fscil").read_text())
    written["stream"]["splits"], written["seeds"] = "drawn", {"order": 1, "shots": 2}
    Path("drawing.yaml").write_text(yaml.safe_dump(written))
    changes["otherwise"] = "./drawing.yaml"
    stand_in, dropped = stand_in_for(load_scenario("cifar_fscil", changes))
    assert stand_in.seeds == Seeds(order=5, initialisation=6, shots=3)
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


@pytest.mark.parametrize("name", ["tpu", "cuda:99", "gpu0", ""])
def test_an_unknown_device_is_the_users_error(name):
    with pytest.raises(UserError):
        resolve_device(name)


def fails(message):
    def start():
        raise RuntimeError(message)

    return start


def test_a_driver_that_is_too_old_is_told_in_one_line(capsys):
    told = "The NVIDIA driver on your system is too old (found version 12020). Please update your GPU driver."
    assert _best_device(fails(told)) == "cpu"
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "cpu" in said
    assert "driver on your system is too old (found version 12020)" in said


def test_a_machine_without_a_gpu_says_nothing(capsys):
    for message in ("Torch not compiled with CUDA enabled", "Found no NVIDIA driver on your system.", NO_GPU[2]):
        assert _best_device(fails(message)) == "cpu"
    assert not capsys.readouterr().err


SETTLED = {
    "stream": {
        "kind": "replacement",
        "dataset": "cifar10",
        "base_classes": 4,
        "ways": 2,
        "images_per_class": 5,
        "replacements": [{"model": "v1", "before": 0}, {"model": "v2", "during": 2, "after_iterations": 3}],
    },
    "strategy": "replay",
    "strategies": {"replay": {"epochs": 1}},
    "models": {
        "v1": {"kind": "classifier", "dataset": "shapes", "classes": 4},
        "v2": {"kind": "timm", "model": "resnet20", "pretrained": False},
    },
    "seed": 3,
}

FEW_SHOT = {"kind": "fscil", "dataset": "cifar10", "base_classes": 4, "ways": 2, "shots": 3, "splits": {"draw": 1}}


@pytest.fixture
def settled(tmp_path, monkeypatch):
    """A replacement scenario on a tiny world; gives its path and the heads of the models that were made for it."""
    made = []

    def resolve(name, recipe, *, device):
        made.append((name, recipe.head))
        backbone, path = make_backbone(recipe.backbone), tmp_path / f"{recipe.hash}.safetensors"
        top = torch.zeros(7, backbone.num_features)
        save_classifier(path, backbone, architecture=recipe.backbone, name=name, head=recipe.head, top=top)
        return path

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preparing, "load_dataset", lambda name, *, image_size: tiny_dataset())
    monkeypatch.setattr(replacements, "resolve_model", resolve)
    path = tmp_path / "settled.yaml"
    path.write_text(yaml.safe_dump(SETTLED))
    return path, made


def prepared(path, overrides=(), strategy=None):
    return prepare(str(path), strategy, list(overrides), None, "cpu", strict=True)


def test_models_arrive_in_the_sessions_that_were_named(settled):
    path, made = settled
    ready = prepared(path)
    assert [[r.model.name for r in session.replacements] for session in ready.stream.train_stream] == [
        ["v1"],
        [],
        ["v2"],
        [],
    ]
    assert ready.stream.train_stream[2].replacements[0].after_iterations == 3
    assert [len(session.resident) for session in ready.stream.train_stream] == [20, 10, 10, 10]
    assert (made, ready.compared) == ([("v1", "learnable")], None)
    assert any(isinstance(plugin, ModelReplacement) for plugin in ready.strategy.plugins)


def test_a_gallery_too_small_for_the_service_is_told_before_a_model_is_made(settled):
    path, made = settled
    asked = "{images: stream, query: test, gallery: train, images_per_class: 1}"
    with pytest.raises(UserError, match="4 gallery images cannot arrive in 6 sessions") as caught:
        prepared(
            path,
            [
                f"evaluation.compatibility={asked}",
                "evaluation.service={}",
                "stream.base_classes=1",
                "stream.ways=1",
                "stream.sessions=5",
                "stream.replacements=[{model: v1, before: 0}]",
                "evaluation.compatibility.images=held_out",
            ],
        )
    assert caught.value.where == "evaluation.service"
    assert made == []


@pytest.mark.parametrize("head", ["simplex", "learnable"])
def test_the_strategys_head_is_that_of_the_models(settled, head):
    path, made = settled
    ready = prepared(path, [f"strategy.head={head}"])
    assert made == [("v1", head)]
    projection = ready.stream.replacements[0].model.projection
    assert (projection is not None) == (head == "simplex")


def test_weights_that_start_a_run_do_not_depend_on_the_models_that_arrive(settled):
    path, _ = settled
    runs = [prepared(path, overrides) for overrides in ([], ["stream.replacements=[]"], ["seed=4"])]
    first = [next(run.strategy.model.parameters()).detach() for run in runs]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_weights_of_models_that_arrive_go_by_the_seed_of_initialisation(settled):
    path, _ = settled
    changes = ([], ["seeds.order=9"], ["seeds.initialisation=9"], ["seed=9"])
    arrived = [prepared(path, overrides).stream.replacements[1].model.sha256 for overrides in changes]
    assert arrived[0] == arrived[1]
    assert arrived[2] == arrived[3] != arrived[0]


def test_a_stream_without_a_strategy_is_drawn_by_the_same_seeds(settled):
    path, _ = settled
    few_shot = {**FEW_SHOT, "splits": "drawn", "class_order": "drawn"}
    path.write_text(yaml.safe_dump({**SETTLED, "stream": few_shot, "strategy": "stationary", "strategies": {}}))
    streams = [prepared(path).stream, make_stream(load_scenario(path)), make_stream(load_scenario(path, seed=4))]
    places = [[session.resident.indices.tolist() for session in stream.train_stream] for stream in streams]
    assert places[0] == places[1] != places[2]


def test_moments_may_be_drawn(settled):
    path, made = settled
    drawn = "{poisson: {rate: 5, seed: 1}, models: [v2, v1], initial: v1}"
    ready = prepared(path, [f"stream.replacements={drawn}"])
    assert [r.model.name for r in ready.stream.replacements] == ["v1", "v2", "v1"]
    assert len(made) == 1
    rare = "{poisson: {rate: 1.0e-9, seed: 1}, models: [v1]}"
    assert prepared(path, [f"stream.replacements={rare}"]).stream.replacements == ()
    assert len(made) == 1  # what never arrives is never made


def test_a_strategy_that_would_not_notice_is_refused_before_a_model_is_made(settled):
    path, made = settled
    mine = "def build(stream):\n    from clsim import Strategy\n    import torch\n"
    mine += "    return Strategy(torch.nn.Linear(1, 1), lambda p: torch.optim.SGD(p, lr=1))\n"
    Path("mine.py").write_text(mine)
    with pytest.raises(UserError, match="the strategy mine has no plugin ModelReplacement") as caught:
        prepared(path, strategy="./mine.py")
    assert "stationary" in str(caught.value.fix)
    assert "replay" in str(caught.value.fix)
    assert made == []
    assert prepared(path, ["stream.replacements=[]"], strategy="./mine.py").strategy_name == "mine"


def test_images_to_compare_come_along_and_are_looked_for_first(settled, tmp_path, monkeypatch):
    path, made = settled
    ready = prepared(path, ["evaluation.compatibility={images: stream, images_per_class: 2}"])
    query, gallery = ready.compared
    assert (len(query), len(gallery)) == (20, 20)
    made.clear()
    monkeypatch.setenv("CLSIM_DATA", str(tmp_path / "none"))
    with pytest.raises(DataMissing, match="tiny_imagenet32"):
        prepared(path, ["evaluation.compatibility={images: tiny_imagenet32}"])
    assert made == []


def test_a_stream_can_be_had_without_a_strategy(settled):
    path, made = settled
    stream = make_stream(load_scenario(path), head="simplex")
    assert [r.model.name for r in stream.replacements] == ["v1", "v2"]
    assert made == [("v1", "simplex")]
    plain = yaml.safe_dump({**SETTLED, "stream": FEW_SHOT})
    path.write_text(plain)
    few_shot = make_stream(load_scenario(path))
    assert (few_shot.few_shot, few_shot.replacements) == (True, ())
    assert [len(session.resident) for session in few_shot.train_stream] == [80, 6, 6, 6]


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


def test_weights_to_begin_with_may_be_any_model_with_a_file(settled, tmp_path, monkeypatch):
    path, _ = settled
    monkeypatch.setattr(preparing, "weights_file", lambda name, recipe, *, head, device: Path(f"{name}-{head}"))
    Path("taking.py").write_text(
        "def build(stream, *, pretrained: str = 'x', head: str = 'simplex'):\n    raise ValueError(pretrained)\n"
    )
    with pytest.raises(ValueError, match="v2-simplex"):
        prepared(path, ["strategy.pretrained=v2"], strategy="./taking.py")


def test_a_model_that_enlarges_images_whose_files_hold_more_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("CLSIM_DATA", str(tmp_path))
    for word in ("cat", "dog"):
        for i in range(5):
            (tmp_path / "pets" / word).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (120, 90), (i, i, i)).save(tmp_path / "pets" / word / f"{i}.png")
    scenario = {
        "description": "two pets",
        "stream": {
            **{"kind": "upgrade", "dataset": f"folder:{tmp_path / 'pets'}", "classes": [1, 2], "image_size": 32},
        },
        "strategy": "independent",
        "strategies": {"independent": {"backbone": "resnet8x2", "image_size": 64}},
        "seed": 1,
    }
    (tmp_path / "pets.yaml").write_text(yaml.safe_dump(scenario))
    with pytest.warns(DataWarning, match="stored at 32 pixels and enlarged to the 64 of the model"):
        prepare(tmp_path / "pets.yaml", None, None, None, "cpu", True)
    scenario["stream"]["image_size"] = 64
    (tmp_path / "pets.yaml").write_text(yaml.safe_dump(scenario))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        prepare(tmp_path / "pets.yaml", None, None, None, "cpu", True)
