import json
from pathlib import Path

import open_clip
import pytest

from clsim.models.clip_properties import (
    CONFIG,
    OPENAI,
    Preparation,
    properties_of_file,
    published,
    read_preparation,
    usual_preparation,
)
from clsim.utils.errors import UserError

WEIGHTS = ("visual.proj", "logit_scale")


def properties(folder: Path, backbone: str, state=WEIGHTS, config=None, **settings):
    if config is not None:
        (folder / CONFIG).write_text(json.dumps(config))
    return properties_of_file(backbone, open_clip.get_model_config(backbone), folder / "w.pt", state, **settings)


@pytest.mark.parametrize("backbone", ["ViT-B-16", "ViT-B-32", "ViT-L-14", "ViT-B-16-quickgelu"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_form_of_openais_files_tells_everything(tmp_path, backbone, prefix):
    state = [*WEIGHTS, *(prefix + name for name in OPENAI)]
    found = properties(tmp_path, backbone, state)
    assert (found.quick_gelu, found.preparation, found.remarks) == (True, Preparation(), ())
    assert "OpenAI" in found.source


@pytest.mark.parametrize("backbone", ["ViT-B-16", "ViT-B-32", "ViT-L-14"])
def test_an_activation_that_nothing_tells_is_asked_for(tmp_path, backbone):
    with pytest.raises(UserError) as error:
        properties(tmp_path, backbone)
    assert "strategy.quick_gelu to true (as in openai" in error.value.fix
    assert "or to false (as in laion" in error.value.fix
    for choice in (True, False):
        assert properties(tmp_path, backbone, quick_gelu=choice).quick_gelu is choice


@pytest.mark.parametrize(
    ("backbone", "quick"),
    [("RN50", True), ("RN101", True), ("ViT-L-14-336", True), ("ViT-B-16-plus-240", False), ("ViT-S-32", False)],
)
def test_published_weights_that_agree_tell_the_activation(tmp_path, backbone, quick):
    assert properties(tmp_path, backbone).quick_gelu is quick


def test_a_configuration_beside_the_file_comes_before_its_form(tmp_path):
    config = {"model_cfg": {"quick_gelu": False}, "preprocess_cfg": {"mean": [0.5] * 3, "interpolation": "bilinear"}}
    found = properties(tmp_path, "ViT-B-16", [*WEIGHTS, *OPENAI], config)
    assert not found.quick_gelu
    assert found.preparation == Preparation()._replace(mean=(0.5,) * 3, interpolation="bilinear")
    assert properties(tmp_path, "ViT-B-16", config=config, quick_gelu=True).quick_gelu


def test_a_configuration_that_contradicts_the_architecture_is_refused(tmp_path):
    config = {"model_cfg": {"quick_gelu": True, "text_cfg": {"width": 512, "heads": 4, "layers": 12}}}
    with pytest.raises(UserError, match=r"text_cfg\.heads is 4, and 8 in ViT-B-16"):
        properties(tmp_path, "ViT-B-16", config=config)
    with pytest.raises(UserError, match="says GELU, and ViT-B-16-quickgelu has QuickGELU"):
        properties(tmp_path, "ViT-B-16-quickgelu", config={"model_cfg": {}})


def test_a_configuration_may_write_defaults_out_and_drop_patches(tmp_path):
    vision = {**open_clip.get_model_config("ViT-B-16")["vision_cfg"], "head_width": 64, "patch_dropout": 0.5}
    assert properties(tmp_path, "ViT-B-16", config={"model_cfg": {"quick_gelu": True, "vision_cfg": vision}}).quick_gelu


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"preprocess_cfg": {"mean": [0.5]}}, "1 channels"),
        ({"preprocess_cfg": {"mean": "half"}}, "preprocess_cfg"),
        ({"preprocess_cfg": {"interpolation": "nearest"}}, "bicubic, bilinear"),
        ({"preprocess_cfg": 3}, "not tables"),
        ([1], "not tables"),
    ],
)
def test_a_configuration_that_cannot_be_followed_is_refused(tmp_path, config, said):
    with pytest.raises(UserError, match=said):
        properties(tmp_path, "RN50", config=config)


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("MobileCLIP-S1", Preparation((0.0,) * 3, (1.0,) * 3, "bilinear", "shortest")),
        ("ViT-B-16-SigLIP", Preparation((0.5,) * 3, (0.5,) * 3, "bicubic", "squash")),
        ("ViT-L-14-CLIPA", Preparation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", "squash")),
        ("ViT-S-32", Preparation()),
    ],
)
def test_images_are_prepared_as_all_published_weights_need_it(tmp_path, backbone, expected):
    found = properties(tmp_path, backbone)
    assert (found.preparation, found.remarks) == (expected, ())
    assert usual_preparation(backbone) == expected


def test_weights_that_need_images_prepared_in_different_ways_are_told_of(tmp_path):
    found = properties(tmp_path, "ViT-L-14", quick_gelu=False)
    assert found.preparation == Preparation()
    assert "laion2b_s32b_b82k: mean (0.5, 0.5, 0.5)" in found.remarks[0]
    config = {"preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    told = properties(tmp_path, "ViT-L-14", quick_gelu=False, config=config)
    assert (told.preparation.mean, told.remarks) == ((0.5,) * 3, ())


def test_every_published_weight_has_properties_that_can_be_followed():
    for backbone in open_clip.list_models():
        for tag, found in published(backbone).items():
            config = open_clip.get_pretrained_cfg(backbone, tag)
            assert found.preparation == read_preparation(config)
            assert found.quick_gelu is bool(
                config.get("quick_gelu") or "quickgelu" in backbone or backbone == "roberta-ViT-B-32"
            )
