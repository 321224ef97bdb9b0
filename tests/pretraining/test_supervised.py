import hashlib
import json
from dataclasses import replace

import pytest
import torch
from helpers.tiny import tiny_dataset
from safetensors.torch import load_file

from clsim.config.models.classifier import HEADS, ClassifierRecipe
from clsim.data.datasets.shapes import shapes
from clsim.models.replacement_model import load_model
from clsim.models.simplex import dsimplex
from clsim.pretraining import store, supervised
from clsim.pretraining.store import make_model, resolve_model
from clsim.pretraining.supervised import recipe_images, train
from clsim.utils.errors import UserError


@pytest.fixture(params=HEADS)
def recipe(request, classifier_recipe):
    return classifier_recipe.with_head(request.param)


@pytest.fixture
def heads(monkeypatch):
    """The heads that trainings make, each with a copy of what it held at first."""
    made, make = [], supervised._head

    def noting(*args):
        head = make(*args)
        made.append((head, {name: tensor.clone() for name, tensor in everything(head)}))
        return head

    monkeypatch.setattr(supervised, "_head", noting)
    return made


def everything(module):
    return [*module.named_parameters(), *module.named_buffers()]


def test_training_moves_the_weights_and_no_vertex(recipe, heads):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    told = []
    made = train(recipe, recipe_images(recipe), progress=lambda *state: told.append(state))
    assert torch.equal(torch.get_rng_state(), before)
    step, steps, loss, speed = told[-1]
    assert step == steps == 3 * 4
    assert 0 < loss < 10
    assert speed > 0
    ((head, first),) = heads
    moved = {name for name, tensor in everything(head) if not torch.equal(tensor, first[name])}
    if recipe.head == "simplex":
        assert moved == {"0.weight"}
        assert torch.equal(head[1].weight, dsimplex(16))  # class y at vertex y
        assert made.top.shape == (15, 128)
    else:
        assert moved == {"weight"}
        assert made.top.shape == (4, 128)
    assert not made.top.requires_grad
    assert 0 <= made.accuracy <= 1


def test_it_learns(classifier_recipe):
    recipe = classifier_recipe.with_head("simplex").model_copy(update={"epochs": 8})
    losses = {}
    for epochs in (1, 8):
        one = recipe.model_copy(update={"epochs": epochs})
        train(one, recipe_images(one), progress=lambda step, steps, loss, speed, at=epochs: losses.update({at: loss}))
    assert losses[8] < losses[1] - 0.3


def test_the_seed_decides(recipe):
    data = recipe_images(recipe)
    first = train(recipe, data)
    torch.manual_seed(99)
    again, other = train(recipe, data), train(recipe.model_copy(update={"seed": 1}), data)
    assert torch.equal(first.top, again.top)
    assert first.accuracy == again.accuracy
    assert not torch.equal(first.top, other.top)


def test_the_shapes_it_learns_are_none_of_the_streams(classifier_recipe):
    data = recipe_images(classifier_recipe)
    assert data.train.labels.bincount().tolist() == [8] * 4
    assert not set(data.class_names) & set(shapes(100, 1).class_names)


def test_of_another_data_set_it_takes_the_first_classes(classifier_recipe, monkeypatch):
    monkeypatch.setattr(supervised, "load_dataset", lambda name: tiny_dataset())
    recipe = classifier_recipe.model_copy(update={"dataset": "cifar100", "classes": 3, "images_per_class": 2})
    data = recipe_images(recipe)
    assert data.train.labels.bincount().tolist() == [2, 2, 2]
    assert data.test.labels.bincount().tolist() == [10, 10, 10]
    everything = recipe_images(recipe.model_copy(update={"images_per_class": None}))
    assert everything.train.labels.bincount().tolist() == [20, 20, 20]


def test_the_manifest_tells_how_it_was_made(recipe, tmp_path):
    path = make_model("v", recipe, tmp_path / f"{recipe.hash}.safetensors")
    manifest = json.loads(path.with_suffix(".json").read_text())
    assert type(recipe)(**manifest["recipe"]) == recipe
    assert manifest["recipe_hash"] == recipe.hash
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest["accuracy"] == train(recipe, recipe_images(recipe)).accuracy
    arrival = load_model("w", path)
    assert manifest["weights_sha256"] == arrival.sha256
    assert (arrival.projection is None) == (recipe.head == "learnable")
    assert {file.name for file in tmp_path.iterdir()} == {path.name, path.with_suffix(".json").name}


def test_a_model_cut_short_goes_on_and_its_partial_file_goes(recipe, tmp_path, monkeypatch):
    whole = make_model("v", recipe, tmp_path / "whole.safetensors")

    def stop(*state):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store._ProgressLine, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            resolve_model("v", recipe, root=tmp_path / "root")
    name = f"{recipe.hash}.safetensors"
    assert {file.name for file in (tmp_path / "root").iterdir()} == {f".{name}.partial"}
    path = resolve_model("v", recipe, root=tmp_path / "root")
    found, expected = load_file(path), load_file(whole)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert {file.name for file in path.parent.iterdir()} == {name, f"{recipe.hash}.json"}


def test_images_that_would_never_be_seen_in_full_are_refused():
    recipe = ClassifierRecipe(kind="classifier", dataset="shapes", classes=2, images_per_class=2, head="learnable")
    data = recipe_images(recipe)
    parts = {
        name: replace(part, pixels=torch.zeros(len(part), 3, 40, 40, dtype=torch.uint8))
        for name, part in (("train", data.train), ("test", data.test))
    }
    wide = replace(data, **parts)
    with pytest.raises(UserError, match="have 40 pixels, but the recipe trains on at most 32") as caught:
        train(recipe, wide)
    assert "`sizes`" in caught.value.fix and "40" in caught.value.fix


def test_features_are_not_one_part_in_common(classifier_recipe):
    """Were vertices of no class to be kept away from, every image would mostly say that it is none of those."""
    recipe = classifier_recipe.with_head("simplex").model_copy(update={"epochs": 12, "vertices": 64})
    data = recipe_images(recipe)
    made = train(recipe, data)
    made.backbone.eval()
    with torch.no_grad():
        features = made.backbone(data.test.pixels.float() / 255) @ made.top.T
    cosines = torch.nn.functional.normalize(features, dim=1) @ torch.nn.functional.normalize(features, dim=1).T
    assert cosines[data.test.labels[:, None] != data.test.labels].mean() < 0.5


def test_the_last_block_emits_as_many_features_as_the_recipe_says(recipe, tmp_path):
    short = recipe.model_copy(update={"dimensions": 12, "epochs": 1})
    path = make_model("short", short, tmp_path / f"{short.hash}.safetensors")
    found = load_model("short", path)
    assert found.width == 12
    stored = load_file(path)
    assert stored["projection" if short.head == "simplex" else "classifier"].shape[1] == 12
    with torch.no_grad():
        assert (found.backbone.eval()(torch.rand(4, 3, 32, 32)) < 0).any()
