import types
from pathlib import Path

import pytest
import torch
from helpers.tiny import save_tiny_clip, tiny_clip
from safetensors.torch import save_file

from clsim.config.models.recipe import CheckpointModel, OpenClipModel, TimmModel
from clsim.experiment import replacements
from clsim.experiment.replacements import Moment, load_clips, load_replacement, load_replacements, moments, weights_file
from clsim.models.backbones import make_backbone
from clsim.models.replacement_model import ReplacementModel, save_classifier
from clsim.pretraining import ClassifierRecipe, ClipRecipe
from clsim.streams import poisson_arrivals
from clsim.streams.settings import ReplacementStream
from clsim.utils.errors import UserError, WeightsMissing

RANDOM = TimmModel(kind="timm", name="resnet8x4", weights="none")


def stream(replacements) -> ReplacementStream:
    given = {"kind": "replacement", "dataset": "cifar100", "base_classes": 10, "ways": 15}
    return ReplacementStream.model_validate({**given, "replacements": replacements})


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    path = tmp_path / "v.safetensors"
    backbone = make_backbone("resnet8x4")
    top = torch.zeros(3, backbone.num_features)
    save_classifier(path, backbone, architecture="resnet8x4", name="v", head="simplex", top=top)
    return path


def test_listed_moments():
    listed = [
        {"model": "v1", "before": 0},
        {"model": "v2", "before": 2},
        {"model": "v3", "during": 4, "after_iterations": 120},
        {"model": "v4", "during": 0, "after_iterations": 1},
    ]
    assert moments(stream(listed), 7) == [
        Moment("v1", 0),
        Moment("v2", 2),
        Moment("v3", 4, after_iterations=120),
        Moment("v4", 0, after_iterations=1),
    ]
    assert moments(stream([]), 7) == []


def test_drawn_moments_are_shares_of_sessions_and_models_come_in_their_order():
    process = {"rate": 1.0, "seed": 3}
    found = moments(stream({"poisson": process, "models": ["b", "c"], "initial": "a"}), 7)
    times = poisson_arrivals(1.0, 7, seed=3, count=2)
    assert len(times) == 2
    assert [moment.model for moment in found] == ["a", "b", "c"]
    assert found[0] == Moment("a", 0)
    assert [moment.session + moment.after_share for moment in found[1:]] == pytest.approx(times)
    assert all(0 <= moment.after_share < 1 and moment.after_iterations == 0 for moment in found[1:])


def test_a_stream_that_ends_leaves_models_over():
    process = {"rate": 0.5, "seed": 3}
    names = [str(number) for number in range(50)]
    found = moments(stream({"poisson": process, "models": names}), 7)
    assert [moment.model for moment in found] == names[: len(poisson_arrivals(0.5, 7, seed=3, count=50))]
    assert 0 < len(found) < 50
    assert all(moment.session < 7 for moment in found)


def test_each_model_is_loaded_once_and_the_generator_is_left_alone(checkpoint):
    recipes = {"v": CheckpointModel(kind="checkpoint", path=str(checkpoint)), "random": RANDOM}
    due = [Moment("v", 0), Moment("random", 1, 5), Moment("v", 2, 0, 0.5)]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    found = load_replacements(due, recipes, head="simplex", seed=1, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert found[0].model is found[2].model
    assert [(r.model.name, r.session, r.after_iterations, r.after_share) for r in found] == [
        ("v", 0, 0, None),
        ("random", 1, 5, None),
        ("v", 2, 0, 0.5),
    ]
    assert found[0].model.projection is not None


def test_random_weights_go_by_the_seed_and_the_name():
    def hashes(seed: int, *names: str) -> list[str]:
        due, recipes = [Moment(name, session) for session, name in enumerate(names)], dict.fromkeys("ab", RANDOM)
        found = load_replacements(due, recipes, head="simplex", seed=seed, device="cpu")
        return [replacement.model.sha256 for replacement in found]

    a, b = hashes(1, "a", "b")
    torch.manual_seed(99)
    assert hashes(1, "b", "a") == [b, a]
    assert len({a, b, *hashes(2, "a", "b")}) == 4


@pytest.mark.parametrize("head", ["simplex", "learnable"])
def test_a_classifier_comes_with_the_head_that_is_asked_for(checkpoint, monkeypatch, head):
    asked = []

    def resolve(name, recipe, *, device):
        asked.append((name, recipe.head, device))
        return checkpoint

    monkeypatch.setattr(replacements, "resolve_model", resolve)
    either = ClassifierRecipe(kind="classifier", dataset="shapes", classes=4)
    assert load_replacement("v", either, head=head, device="cuda").width == 256
    assert weights_file("w", either.with_head("simplex"), head=head, device="cpu") == checkpoint
    assert asked == [("v", head, "cuda"), ("w", "simplex", "cpu")]


def test_a_clip_gives_its_image_tower(tmp_path, monkeypatch):
    path = Path(save_tiny_clip(tmp_path / "clip.safetensors"))
    monkeypatch.setattr(replacements, "resolve_model", lambda name, recipe, *, device: path)
    arrived = load_replacement("v", ClipRecipe(kind="clip", dataset="shapes"), head="simplex", device="cpu")
    assert (arrived.name, arrived.projection) == ("v", None)
    with torch.no_grad():
        assert arrived.backbone(torch.rand(2, 3, 8, 8)).shape == (2, arrived.width)


def test_models_of_libraries_are_asked_for_by_name(monkeypatch):
    asked = []

    def note(*given, **named):
        asked.append((given, named))
        return ReplacementModel("v", torch.nn.Identity())

    monkeypatch.setattr(replacements, "load_timm_model", note)
    monkeypatch.setattr(replacements, "load_clip_tower", note)
    load_replacement("v", TimmModel(kind="timm", name="resnet18"), head="simplex", device="cpu")
    load_replacement(
        "w", OpenClipModel(kind="open_clip", model="ViT-B-32", pretrained="openai"), head="simplex", device="cpu"
    )
    assert asked == [
        (("v", "resnet18"), {"weights": "hub", "image_size": None}),
        (("w", "ViT-B-32", "openai"), {"quick_gelu": None}),
    ]


def test_a_checkpoint_may_lie_at_home_and_must_be_there(checkpoint, monkeypatch):
    monkeypatch.setenv("HOME", str(checkpoint.parent))
    at_home = CheckpointModel(kind="checkpoint", path="~/v.safetensors")
    assert load_replacement("v", at_home, head="simplex", device="cpu").width == 256
    gone = CheckpointModel(kind="checkpoint", path="~/w.safetensors")
    with pytest.raises(UserError, match=r"w\.safetensors|no such") as caught:
        load_replacement("v", gone, head="simplex", device="cpu")
    assert type(caught.value) is UserError  # what the user named is no reason for a stand-in


def test_what_has_no_file_says_how_to_begin_with_it():
    with pytest.raises(UserError, match="v is a model of timm") as caught:
        weights_file("v", RANDOM, head="simplex", device="cpu")
    assert "backbone and pretrained" in str(caught.value.fix)


def recipe_of(path, **settings) -> CheckpointModel:
    return CheckpointModel(kind="checkpoint", path=str(path), **settings)


def test_image_text_models_are_loaded_once_each_and_draw_nothing(tmp_path):
    recipes = {
        "old": recipe_of(save_tiny_clip(tmp_path / "old.safetensors")),
        "new": recipe_of(save_tiny_clip(tmp_path / "new.safetensors", embed_dim=20, seed=1)),
    }
    torch.manual_seed(3)
    before = torch.get_rng_state()
    old, new, again = load_clips(["old", "new", "old"], recipes, seed=0, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert again is old
    assert [arrival.name for arrival in (old, new)] == ["old", "new"]
    assert old.sha256 == old.clip.sha256 != new.sha256
    assert [arrival.clip.model.visual.output_dim for arrival in (old, new)] == [12, 20]


def test_random_image_text_models_go_by_seed_and_name(monkeypatch):
    monkeypatch.setattr(replacements, "load_clip", lambda *_, **__: types.SimpleNamespace(sha256=str(torch.rand(()))))
    random = OpenClipModel(kind="open_clip", model="ViT-B-32", pretrained=None)

    def drawn(seed, *names):
        return [arrival.sha256 for arrival in load_clips(names, dict.fromkeys("ab", random), seed=seed, device="cpu")]

    assert drawn(0, "a", "b") == list(reversed(drawn(0, "b", "a")))
    assert len({*drawn(0, "a", "b"), *drawn(1, "a", "b")}) == 4


def test_what_knows_no_texts_is_refused(checkpoint, tmp_path):
    with pytest.raises(UserError, match="v is a classifier and has no text tower") as told:
        load_clips(["v"], {"v": recipe_of(checkpoint)}, seed=0, device="cpu")
    assert told.value.where == str(checkpoint)
    save_file({"weight": torch.zeros(2)}, tmp_path / "plain.safetensors")
    with pytest.raises(UserError, match="checkpoint of v does not name its CLIP") as told:
        load_clips(["v"], {"v": recipe_of(tmp_path / "plain.safetensors")}, seed=0, device="cpu")
    assert "models.v.backbone" in told.value.fix
    # With the name of a CLIP its weights must fit, text tower and all.
    image_tower = {f"visual.{key}": value for key, value in tiny_clip().model.visual.state_dict().items()}
    save_file(image_tower, tmp_path / "half.safetensors")
    with pytest.raises(UserError, match="ViT-B-32"):
        load_clips(
            ["half"], {"half": recipe_of(tmp_path / "half.safetensors", backbone="ViT-B-32")}, seed=0, device="cpu"
        )
    with pytest.raises(UserError, match="v is a model of kind timm and has no text tower"):
        load_clips(["v"], {"v": RANDOM}, seed=0, device="cpu")
    with pytest.raises(UserError, match="no such checkpoint") as told:
        load_clips(["v"], {"v": recipe_of(tmp_path / "none.safetensors")}, seed=0, device="cpu")
    assert "models.v.path" in told.value.fix


def test_weights_that_are_not_here_can_be_named_among_the_models(monkeypatch):
    def missing(*_, **__):
        raise WeightsMissing("the weights are not here", fix="--set strategy.pretrained=PATH")

    monkeypatch.setattr(replacements, "load_clip", missing)
    recipe = OpenClipModel(kind="open_clip", model="ViT-L-14", pretrained="openai")
    with pytest.raises(WeightsMissing, match="the weights are not here") as told:
        load_clips(["large"], {"large": recipe}, seed=0, device="cpu")
    assert "models.large: {kind: checkpoint, path: ..., backbone: ViT-L-14}" in told.value.fix
    assert "strategy" not in told.value.fix
