import pytest
from helpers.errors import refused

from clsim.data.io.parts import Parts, find_parts, role_of


def paths(*tops, below=("cat/1.png", "dog/2.png")):
    return [tuple(f"{top}/{file}".split("/")) for top in tops for file in below]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        *[("train", "test"), ("Train", "Test"), ("TRAIN", "TEST"), ("training", "testing"), ("Training", "Validation")],
        *[
            ("train", "dev"),
            ("train", "eval"),
            ("train", "evaluation"),
            ("train_set", "test_set"),
            ("trainset", "testset"),
        ],
        *[("train-images", "test-images"), ("TrainingData", "TestData"), ("train2017", "val2017"), ("trn", "tst")],
        *[("seg_train", "seg_test"), ("training_images", "test set"), ("train.split", "holdout"), ("train", "valid")],
    ],
)
def test_parts_under_any_of_their_names(train, test):
    assert find_parts(paths(train, test)) == Parts(train, test, ())


def test_the_best_name_is_the_test_part_and_the_others_stand_aside():
    assert find_parts(paths("train", "val", "test", "extra")) == Parts("train", "test", ("extra", "val"))
    assert find_parts(paths("dev", "Validation", "Training")) == Parts("Training", "Validation", ("dev",))
    assert find_parts(paths("seg_train", "seg_test", "seg_pred")) == Parts("seg_train", "seg_test", ("seg_pred",))


@pytest.mark.parametrize(
    "tops",
    [
        ["cat", "dog"],
        ["bus", "train", "car"],
        ["train", "test tube"],
        ["train station", "test tube"],
        ["bullet_train", "tram"],
        ["constraint", "testament", "valley"],
        ["01_train_test", "cat"],
    ],
)
def test_classes_that_only_sound_like_parts_are_classes(tops):
    assert find_parts(paths(*tops, below=("1.png", "2.png"))) is None


def test_parts_without_classes_are_parts_all_the_same():
    assert find_parts(paths("train", "test", below=("1.png",))) == Parts("train", "test", ())


@pytest.mark.parametrize(
    ("tops", "named"),
    [
        (["train", "Train", "test"], "Train/, train/"),
        (["train", "training", "test"], "train/, training/"),
        (["train", "Test", "test"], "Test/, test/"),
        (["trainA", "trainB", "testA", "testB"], "testA/, testB/, trainA/, trainB/"),
    ],
)
def test_parts_that_are_not_one_pair_are_refused(tops, named):
    with refused(names=(named,)):
        find_parts(paths(*tops))


@pytest.mark.parametrize(
    ("tops", "missing"), [(["train", "extra"], "test"), (["Test", "more"], "training"), (["val", "test"], "training")]
)
def test_a_part_without_its_counterpart_is_refused(tops, missing):
    with refused(names=(f"no {missing} folder",)):
        find_parts(paths(*tops))


def test_parts_below_the_classes_are_refused():
    with refused(names=("test, train", "'bottle'")):
        find_parts(paths("bottle", "cable", below=("train/1.png", "test/2.png")))
    assert find_parts(paths("bottle", "cable", below=("train/1.png", "front/2.png"))) is None


def test_roles():
    assert role_of("seg_train").rest == ("seg",)
    assert role_of("cat") is None
    assert role_of("train_test_split") is None
