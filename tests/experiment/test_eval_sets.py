import pytest
import torch
from helpers.tiny import tiny_dataset, tiny_images

from clsim.config.evaluation import CompatibilityEvaluation
from clsim.data.core.images import DataSet
from clsim.experiment import eval_sets
from clsim.experiment.eval_sets import compared_images
from clsim.streams import incremental
from clsim.utils.errors import DataMissing, UserError

STREAM = {"base_classes": 4, "ways": 2, "sessions": 1}


def images(stream=None, **given):
    stream = stream or incremental(tiny_dataset(), **STREAM)
    return compared_images(CompatibilityEvaluation(**given), stream)


def test_the_streams_classes_query_its_training_images_with_its_test_images():
    query, gallery = images(images="stream")
    assert (len(query), len(gallery)) == (6 * 10, 6 * 20)
    assert set(query.labels.tolist()) == set(gallery.labels.tolist()) == set(range(6))
    assert query.class_names == gallery.class_names
    test = tiny_dataset().test
    assert torch.equal(query.pixels, test.pixels[test.labels < 6])


def test_held_out_classes_are_those_that_never_come():
    query, gallery = images(images="held_out", query="train", gallery="test")
    assert (len(query), len(gallery)) == (4 * 20, 4 * 10)
    assert set(query.labels.tolist()) == set(gallery.labels.tolist()) == {6, 7, 8, 9}
    whole = incremental(tiny_dataset(), base_classes=4, ways=2)
    with pytest.raises(UserError, match="all 10 classes of tiny are in the stream"):
        images(whole, images="held_out")


def test_nothing_is_copied_where_all_is_taken():
    stream = incremental(tiny_dataset(), base_classes=4, ways=2)
    query, gallery = images(stream, images="stream")
    assert query is stream.dataset.test
    assert gallery is stream.dataset.train


@pytest.mark.parametrize("per_class", [None, 3])
def test_one_part_is_one_object(per_class):
    query, gallery = images(images="stream", query="test", gallery="test", images_per_class=per_class)
    assert query is gallery


def test_the_first_images_of_every_class_and_part():
    query, gallery = images(images="stream", images_per_class=3)
    for chosen, whole in ((query, tiny_dataset().test), (gallery, tiny_dataset().train)):
        first = torch.cat([(whole.labels == label).nonzero().flatten()[:3] for label in range(6)]).sort().values
        assert torch.equal(chosen.labels, whole.labels[first])
        assert torch.equal(chosen.pixels, whole.pixels[first])
    with pytest.raises(UserError, match="has 10 images to compare, not 11"):
        images(images="stream", images_per_class=11)


def test_another_data_set_comes_whole_and_at_the_size_of_the_stream(monkeypatch):
    asked = []

    def load(name, *, image_size):
        asked.append((name, image_size))
        return DataSet(name, tiny_images(4, 3), tiny_images(2, 3))

    monkeypatch.setattr(eval_sets, "load_dataset", load)
    query, gallery = images(images="cifar10")
    assert (len(query), len(gallery)) == (6, 12)
    assert asked == [("cifar10", 8)]
    # The stream's own data set is not loaded again, and gives all its classes too.
    query, _ = images(images="tiny")
    assert set(query.labels.tolist()) == set(range(10))
    assert len(asked) == 1


def test_a_data_set_that_is_not_here_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("CLSIM_DATA", str(tmp_path))
    with pytest.raises(DataMissing, match="cifar10"):
        images(images="cifar10")
