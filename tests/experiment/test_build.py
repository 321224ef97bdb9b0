import warnings
from pathlib import Path

import pytest
import torch
import yaml
from helpers.errors import refused
from helpers.tiny import tiny_dataset
from PIL import Image

from clsim.config import load_scenario
from clsim.experiment import replacements
from clsim.experiment import resolve as resolving
from clsim.experiment.build import make_stream, prepare
from clsim.experiment.resolve import resolve
from clsim.models.backbones import make_backbone
from clsim.models.replacement_model import save_classifier
from clsim.plugins import ModelReplacement
from clsim.utils.errors import DataMissing, DataWarning, UserError

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
    monkeypatch.setattr(resolving, "load_dataset", lambda name, *, image_size: tiny_dataset())
    monkeypatch.setattr(replacements, "resolve_model", resolve)
    path = tmp_path / "settled.yaml"
    path.write_text(yaml.safe_dump(SETTLED))
    return path, made


def prepared(path, overrides=(), strategy=None):
    return prepare(str(path), strategy, list(overrides), None, "cpu", strict=True)


def made_stream(scenario):
    return make_stream(resolve(scenario))


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
    changes = ([], ["seeds.order=9"], ["seeds.initialization=9"], ["seed=9"])
    arrived = [prepared(path, overrides).stream.replacements[1].model.sha256 for overrides in changes]
    assert arrived[0] == arrived[1]
    assert arrived[2] == arrived[3] != arrived[0]


def test_a_stream_without_a_strategy_is_drawn_by_the_same_seeds(settled):
    path, _ = settled
    few_shot = {**FEW_SHOT, "splits": "drawn", "class_order": "drawn"}
    path.write_text(yaml.safe_dump({**SETTLED, "stream": few_shot, "strategy": "stationary", "strategies": {}}))
    streams = [prepared(path).stream, *(made_stream(load_scenario(path, seed=seed)) for seed in (3, 4))]
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
    Path("mine.py").write_text(mine + "REQUIRES = ()\n")
    with refused(UserError, where="stream.replacements", names=("mine", "ModelReplacement", "replay", "stationary")):
        prepared(path, strategy="./mine.py")
    assert made == []
    Path("mine.py").write_text(mine)  # declares nothing: only the composed strategy shows it
    with refused(UserError, where="stream.replacements", names=("mine", "ModelReplacement")):
        prepared(path, strategy="./mine.py")
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
    stream = made_stream(load_scenario(path, ["strategy.head=simplex"]))
    assert [r.model.name for r in stream.replacements] == ["v1", "v2"]
    assert made == [("v1", "simplex")]
    plain = yaml.safe_dump({**SETTLED, "stream": FEW_SHOT})
    path.write_text(plain)
    few_shot = made_stream(load_scenario(path))
    assert (few_shot.few_shot, few_shot.replacements) == (True, ())
    assert [len(session.resident) for session in few_shot.train_stream] == [80, 6, 6, 6]


def test_weights_to_begin_with_may_be_any_model_with_a_file(settled, tmp_path, monkeypatch):
    path, _ = settled
    monkeypatch.setattr(resolving, "weights_file", lambda name, recipe, *, head, device: Path(f"{name}-{head}"))
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
    with pytest.warns(DataWarning, match="stored at 32 pixels and upscaled to 64"):
        prepare(tmp_path / "pets.yaml", None, None, None, "cpu", True)
    scenario["stream"]["image_size"] = 64
    (tmp_path / "pets.yaml").write_text(yaml.safe_dump(scenario))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        prepare(tmp_path / "pets.yaml", None, None, None, "cpu", True)
