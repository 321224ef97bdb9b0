"""The weights that travel in the package are those of the recipe that names them, and know what they should."""

import pytest
import torch
from torch.nn import functional as F

from clsim.config import load_scenario
from clsim.data.datasets.shapes import FIELD, STUDIO, shapes
from clsim.data.datasets.shapes_captioned import shapes_captioned
from clsim.metrics import recall_at_k
from clsim.models import ImageTextModel
from clsim.models.clip import encode_texts, load_clip
from clsim.models.replacement_model import load_model
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
    projection = load_model(name, path).projection
    assert (projection is None) == (head == "learnable")
    if projection is not None:
        assert projection.shape == (recipe.vertices - 1, 128)


@torch.no_grad()
@pytest.mark.parametrize(("name", "file", "width"), [("small", "shapes-clip-small", 48), ("large", "shapes-clip", 64)])
def test_the_package_holds_the_models_of_the_text_upgrade(name, file, width, fits, tmp_path):
    path = resolve_model(name, load_scenario("shapes_text_upgrade").models[name], root=tmp_path)
    assert path == store.ASSETS / f"{file}.safetensors"
    assert path.stat().st_size < 4e6
    clip = load_clip("", path)
    assert clip.model.encode_text(clip.tokenizer(["a red circle"])).shape == (1, width)


@pytest.mark.slow
@torch.no_grad()
def test_the_larger_of_the_two_finds_more_in_its_own_index(fits, tmp_path):
    data, models, found = shapes_captioned(1, 500).test, load_scenario("shapes_text_upgrade").models, []
    for name in ("small", "large"):
        model = ImageTextModel(load_clip("", resolve_model(name, models[name], root=tmp_path)))
        images, texts = model.embed(data.pixels.float() / 255), model.features_of(data.texts)
        mask = data.items == torch.arange(len(data))[:, None]
        found.append(recall_at_k(images, texts, mask, k=[5])[5])
    assert 0.1 < found[0] < found[1] - 0.05


def test_it_knows_new_combinations_in_the_studio_but_leaves_much_to_learn_at_dusk(path):
    clip = load_clip("", path)
    studio, field = (accuracy(clip, shapes(train=1, test=5, style=style, seed=1)) for style in (STUDIO, FIELD))
    assert studio > 0.75
    assert 0.40 < field < 0.60
