import subprocess
import sys

import pytest
from pydantic import ValidationError

from clsim.config.models.recipe import ClipRecipe


def test_the_hash_follows_everything_but_what_is_shipped(tiny_recipe):
    assert tiny_recipe.model_copy(update={"shipped": "x"}).hash == tiny_recipe.hash
    for change in ({"seed": 1}, {"lr": 0.5}, {"dataset": "flickr8k"}, {"precision": "bf16"}):
        assert tiny_recipe.model_copy(update=change).hash != tiny_recipe.hash
    assert len(tiny_recipe.hash) == 16


def test_one_data_set_may_be_given_alone_or_in_a_list(tiny_recipe):
    fields = tiny_recipe.model_dump()
    assert ClipRecipe(**fields | {"dataset": ["shapes"]}).hash == tiny_recipe.hash
    assert ClipRecipe(**fields | {"dataset": ["tiny_imagenet32", "flickr8k"]}).sources == (
        "tiny_imagenet32",
        "flickr8k",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch_size": 5}, "no multiple of patch_size"),
        ({"heads": 3}, "no multiple of heads"),
        ({"text_width": 40}, "no multiple of width / heads"),
        ({"vocabulary": 100}, "greater than or equal to 514"),
        ({"dataset": "mnist"}, "dataset"),
        ({"dataset": ["shapes", "flickr8k"]}, "cannot be mixed"),
        ({"epoch": 3}, "Extra inputs"),
        ({"lr": 0}, "greater than 0"),
    ],
)
def test_what_does_not_fit_is_refused(tiny_recipe, change, message):
    with pytest.raises(ValidationError, match=message):
        ClipRecipe(**tiny_recipe.model_dump() | change)


def test_importing_recipes_imports_no_torch():
    code = "import sys, clsim.pretraining; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_recipes_without_a_teacher_keep_their_hashes():
    small = {
        "dataset": ["tiny_imagenet32", "flickr8k"], "image_size": 32, "patch_size": 8, "width": 128, "layers": 4,
        "heads": 4, "text_width": 64, "text_layers": 4, "embed_dim": 128, "vocabulary": 4096, "context_length": 24,
        "images": 86000, "epochs": 8, "batch_size": 128, "lr": 0.0015, "precision": "fp32", "seed": 0,
    }  # fmt: skip
    assert ClipRecipe(kind="clip", **small).hash == "95d70397878810fd"


def test_a_teacher_needs_labeled_and_captioned_images_and_is_part_of_the_hash(tiny_recipe):
    sources = ("tiny_imagenet32", "flickr8k")
    without = ClipRecipe(**tiny_recipe.model_dump() | {"dataset": sources})
    taught = [ClipRecipe(**without.model_dump() | {"teacher": {"names": names}}) for names in (5, 6)]
    assert len({recipe.hash for recipe in (without, *taught)}) == 3
    with pytest.raises(ValidationError, match="a teacher needs labeled and captioned images"):
        ClipRecipe(**tiny_recipe.model_dump() | {"teacher": {}})
