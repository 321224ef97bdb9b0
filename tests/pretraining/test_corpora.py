import pytest
import torch

from clsim.pretraining.corpora import PhotoCorpus, ShapesCorpus


def test_every_epoch_of_shapes_is_new_and_repeatable(tiny_recipe):
    corpus = ShapesCorpus(tiny_recipe)
    first, again, second = (list(corpus.epoch(index)) for index in (0, 0, 1))
    assert len(first) == corpus.steps() == 4
    assert all(len(pairs) == 32 for pairs in first)
    assert torch.equal(first[0].pixels, again[0].pixels)
    assert first[0].captions == again[0].captions
    assert not torch.equal(first[0].pixels, second[0].pixels)


@pytest.fixture
def photographs(tiny_recipe):
    recipe = tiny_recipe.model_copy(update={"dataset": "flickr8k", "batch_size": 4})
    pixels = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 3, 16, 16).clone() * 20
    captions = tuple((f"{i} a", f"{i} b") for i in range(10))
    return PhotoCorpus(recipe, pixels, captions, torch.arange(10) - 1)


def test_a_caption_stays_with_its_photograph(photographs):
    for pairs in photographs.epoch(0):
        told = [int(caption.split()[0]) for caption in pairs.captions]
        assert (pairs.pixels[:, 0, 8, 8] // 20).tolist() == told  # the centre survives every crop
        assert pairs.topics.tolist() == [index - 1 for index in told]


def test_an_epoch_is_whole_batches_without_repetition(photographs):
    seen = [caption.split()[0] for pairs in photographs.epoch(0) for caption in pairs.captions]
    assert len(seen) == len(set(seen)) == 8 == 4 * photographs.steps()


def test_epochs_differ_in_order_and_captions(photographs):
    first, second = (tuple(c for pairs in photographs.epoch(i) for c in pairs.captions) for i in (0, 1))
    assert first != second
    assert {c.split()[1] for c in first + second} == {"a", "b"}


def test_the_vocabulary_is_made_of_all_captions(photographs):
    assert len(list(photographs.texts())) == 20
