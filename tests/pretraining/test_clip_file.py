import json

import pytest
import torch

from clsim.models import PromptedCLIP, load_clip
from clsim.pretraining import clip_file
from clsim.pretraining.store import make_model, resolve_model


@pytest.fixture
def made(taught_recipe, taught_corpus, monkeypatch, tmp_path):
    """A distilled CLIP, made from its recipe."""
    monkeypatch.setattr(clip_file, "make_taught_corpus", lambda recipe, teacher: taught_corpus)
    path = tmp_path / f"{taught_recipe.hash}.safetensors"
    return make_model("distilled", taught_recipe, path)


def test_a_recipe_with_a_teacher_makes_a_clip_that_sees_images_through_it(made, taught_recipe, taught_corpus):
    clip = load_clip("", made)
    manifest = json.loads(made.with_suffix(".json").read_text())
    assert manifest["weights_sha256"] == clip.sha256
    assert manifest["teacher_sha256"] == taught_corpus.teacher.facts.sha256
    assert type(taught_recipe)(**manifest["recipe"]) == taught_recipe
    assert resolve_model("distilled", taught_recipe, root=made.parent) == made
    tower = clip.model.visual.conv1
    assert torch.allclose(tower.mean, taught_corpus.features.mean(dim=0), atol=1e-3)  # stored in half precision
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(
            clip.model.encode_image(clip.preprocess()(images)),
            clip.model.encode_image(taught_corpus.teacher.backbone(images)),
            atol=1e-4,
        )


def test_prompts_of_a_distilled_clip_are_trained_on_features(made, taught_corpus):
    model = PromptedCLIP.from_clip(load_clip("", made), ["tench", "great white shark"])
    model(taught_corpus.features[:3]).sum().backward()
    assert {name for name, part in model.named_parameters() if part.grad is not None} == {
        "prompts",
        "prompt_projection.weight",
        "prompt_projection.bias",
    }
