"""A small ImageNet classifier with random weights in place of a teacher whose weights must be installed."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, nn

from clsim.config.models.recipe import ClipRecipe
from clsim.config.models.teacher import TeacherBlock
from clsim.models import teacher
from clsim.models.backbones import make_backbone
from clsim.pretraining.named_classes import imagenet_classes
from clsim.pretraining.taught_corpus import TaughtCorpus

CAPTIONS = tuple((f"first of {image}", f"second of {image}") for image in range(6))


def tiny_teacher(monkeypatch, seed: int = 0) -> teacher.Teacher:
    """Return a teacher of a third of a million weights, and let every load find it."""

    def backbone(model: str, *, image_size: int) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return make_backbone("test_efficientnet", image_size=image_size)

    def classifier(model: str) -> nn.Linear:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return nn.Linear(256, 1000).requires_grad_(False)

    monkeypatch.setattr(teacher, "load_backbone", backbone)
    monkeypatch.setattr(teacher, "load_imagenet_classifier", classifier)
    return teacher.load_teacher("tf_efficientnet_lite0", 32)


@pytest.fixture
def taught_recipe(tiny_recipe):
    """A CLIP on a teacher that trains in a second."""
    change = {"dataset": ("tiny_imagenet32", "flickr8k"), "image_size": 32, "patch_size": 16, "images": 20}
    block = TeacherBlock(model="tf_efficientnet_lite0", names=12, captioned=4)
    return ClipRecipe(**tiny_recipe.model_dump() | change | {"batch_size": 8, "teacher": block})


@pytest.fixture
def taught_corpus(taught_recipe, monkeypatch):
    """Features of 20 images of five classes, and of six captioned ones."""
    teacher = tiny_teacher(monkeypatch)
    features = torch.rand(26, teacher.facts.features, generator=Generator().manual_seed(0))
    return TaughtCorpus(taught_recipe, teacher, imagenet_classes(), features, torch.arange(20) // 4 * 9, CAPTIONS)
