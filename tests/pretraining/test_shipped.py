"""The weights that travel in the package are those of the recipe that names them, and know what they should."""

import pytest
import torch
from torch.nn import functional as F

from clsim.config import load_scenario
from clsim.data.shapes import FIELD, STUDIO, shapes
from clsim.models.arrival import load_arrival
from clsim.models.clip import encode_texts, load_clip
from clsim.pretraining import store
from clsim.pretraining.store import resolve_model


@pytest.fixture
def fits(monkeypatch):
    monkeypatch.setattr(store, "make_model", lambda *args, **kwargs: pytest.fail("the shipped weights do not fit"))


@pytest.fixture
def path(fits, tmp_path):
    return resolve_model("shapes_clip", load_scenario("shapes_fscil").models["shapes_clip"], root=tmp_path)


@torch.no_grad()
def accuracy(clip, dataset):
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (clip.mean, clip.std))
    seen = clip.model.encode_image((dataset.test.pixels.float() / 255 - mean) / std)
    told = encode_texts(clip.model, clip.tokenizer([f"{name}." for name in dataset.class_names]))
    found = (F.normalize(seen, dim=-1) @ F.normalize(told, dim=-1).T).argmax(1)
    return (found == dataset.test.labels).float().mean().item()


def test_the_package_holds_the_model_of_the_stand_in(path):
    assert path.parent == store.ASSETS
    assert path.stat().st_size < 4e6


@pytest.mark.parametrize("head", ["simplex", "learnable"])
@pytest.mark.parametrize("name", ["shapes_100", "shapes_120", "shapes_144"])
def test_the_package_holds_the_models_that_arrive(name, head, fits, tmp_path):
    recipe = load_scenario("shapes_replacement").models[name].with_head(head)
    path = resolve_model(name, recipe, root=tmp_path)
    assert path.parent == store.ASSETS
    assert path.stat().st_size < 1e6
    projection = load_arrival(name, path).projection
    assert (projection is None) == (head == "learnable")
    if projection is not None:
        assert projection.shape == (recipe.vertices - 1, 128)


def test_it_knows_new_combinations_in_the_studio_but_leaves_much_to_learn_at_dusk(path):
    clip = load_clip("", path)
    studio, field = (accuracy(clip, shapes(train=1, test=5, style=style, seed=1)) for style in (STUDIO, FIELD))
    assert studio > 0.75
    assert 0.40 < field < 0.60
