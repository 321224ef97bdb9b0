import pytest
from pydantic import TypeAdapter, ValidationError

from clsim.config.models.classifier import HEADS, TRAINER, ClassifierRecipe
from clsim.config.models.hashing import recipe_hash
from clsim.config.models.recipe import ClipRecipe, ModelRecipe
from clsim.config.models.sources import CheckpointModel, OpenClipModel, TimmModel

EITHER = ClassifierRecipe(kind="classifier", dataset="shapes", classes=4, vertices=16)
SIMPLEX, LEARNABLE = EITHER.versions()


def changed(recipe, **fields):
    return recipe.model_copy(update=fields)


def test_a_recipe_without_a_head_is_two_models():
    assert (SIMPLEX.head, LEARNABLE.head) == HEADS == ("simplex", "learnable")
    assert changed(EITHER, head="simplex") == SIMPLEX
    assert SIMPLEX.versions() == (SIMPLEX,)


def test_a_head_of_its_own_stays():
    assert SIMPLEX.with_head("learnable") is SIMPLEX
    assert EITHER.with_head("learnable") == LEARNABLE


def test_each_version_ships_under_its_own_name():
    shipped = [version.shipped for version in changed(EITHER, shipped="small").versions()]
    assert shipped == ["small-simplex", "small-learnable"]
    assert changed(SIMPLEX, shipped="small").versions()[0].shipped == "small"


def test_the_hash_names_what_is_made():
    assert SIMPLEX.hash != LEARNABLE.hash
    assert SIMPLEX.hash == changed(SIMPLEX, shipped="elsewhere").hash
    assert SIMPLEX.hash == ClassifierRecipe(**SIMPLEX.model_dump(mode="json")).hash
    others = {"seed": 1, "epochs": 2, "classes": 5, "lr": 0.2, "sizes": (32,), "images_per_class": 3, "cpu_workers": 1}
    assert len({SIMPLEX.hash, *(changed(SIMPLEX, **{key: value}).hash for key, value in others.items())}) == 8


def test_the_length_of_features_is_part_of_the_hash_and_models_of_before_keep_theirs():
    plain = {
        key: value for key, value in SIMPLEX.model_dump(mode="json").items() if key not in {"shipped", "dimensions"}
    }
    plain["lanes"] = plain.pop("cpu_workers")  # the name of the setting when they were made
    assert SIMPLEX.hash == recipe_hash(TRAINER, plain)
    assert len({SIMPLEX.hash, *(changed(SIMPLEX, dimensions=length).hash for length in (128, 160))}) == 3


def test_vertices_matter_only_where_there_are_any():
    assert LEARNABLE.hash == changed(LEARNABLE, vertices=99).hash
    assert SIMPLEX.hash != changed(SIMPLEX, vertices=99).hash


def test_a_hash_goes_by_the_fields_and_the_trainer_and_not_by_their_order():
    assert recipe_hash(1, {"a": 1, "b": 2}) == recipe_hash(1, {"b": 2, "a": 1})
    assert len({recipe_hash(1, {"a": 1}), recipe_hash(2, {"a": 1}), recipe_hash(1, {"a": 2})}) == 3
    assert len(recipe_hash(1, {})) == 16


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dataset": "nonsense"}, "there is no data set 'nonsense'"),
        ({"dataset": "cifar100", "classes": 101}, "101 classes of cifar100, which has 100"),
        ({"classes": 17}, "17 classes need as many vertices, not 16"),
        ({"classes": 17, "head": "simplex"}, "17 classes need as many vertices"),
        ({"classes": 1}, "classes"),
        ({"epochs": 0}, "epochs"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_does_not_fit_is_said(fields, message):
    with pytest.raises(ValidationError, match=message):
        ClassifierRecipe(**{"kind": "classifier", "dataset": "shapes", "classes": 4, "vertices": 16, **fields})


def test_a_learnable_classifier_needs_no_vertices():
    fields = {"kind": "classifier", "dataset": "shapes", "vertices": 16, "head": "learnable"}
    assert ClassifierRecipe(**fields, classes=17).classes == 17


def test_it_learns_from_its_data_set_and_other_sources_do_not_say():
    assert EITHER.sources == ("shapes",)
    for text, kind in [
        ({"kind": "timm", "name": "resnet18"}, TimmModel),
        ({"kind": "open_clip", "model": "ViT-B-32", "pretrained": None}, OpenClipModel),
        ({"kind": "checkpoint", "path": "v.safetensors"}, CheckpointModel),
    ]:
        model = TypeAdapter(ModelRecipe).validate_python(text)
        assert type(model) is kind
        assert model.sources == model.versions() == ()
    assert type(TypeAdapter(ModelRecipe).validate_python({"kind": "clip", "dataset": "shapes"})) is ClipRecipe
    with pytest.raises(ValidationError, match="path"):
        CheckpointModel(kind="checkpoint", path="")
