import pytest
import torch

from clsim.data.datasets.shapes import KINDS, STUDIO, class_kinds, shapes
from clsim.data.datasets.shapes_captioned import FIRST_SEED, Camera, shapes_captioned
from clsim.data.datasets.shapes_pairs import shapes_pairs


def test_every_image_has_several_captions_that_differ():
    data = shapes_captioned(30, 20, captions=4)
    assert data.train.pixels.shape == (30, 3, 32, 32) and len(data.test) == 20
    assert all(len(set(texts)) == len(texts) == 4 for texts in (*data.train.captions, *data.test.captions))
    assert shapes_captioned(2, 1, image_size=16).train.pixels.shape == (2, 3, 16, 16)


def test_the_same_arguments_the_same_data():
    first, again, other = shapes_captioned(20, 10), shapes_captioned(20, 10), shapes_captioned(20, 10, seed=1)
    assert (first.train.sha256, first.test.sha256) == (again.train.sha256, again.test.sha256)
    studio = shapes_captioned(20, 10, style=STUDIO)
    hashes = {data.sha256 for made in (first, other, studio) for data in (made.train, made.test)}
    assert len(hashes) == 6
    before = torch.get_rng_state()
    shapes_captioned(2, 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_kind_occurs_equally_often_and_none_of_the_streams(monkeypatch):
    asked = []

    def shoot(self, kinds, clutter):
        asked.append(kinds)
        return torch.zeros(len(kinds), 3, 1, 1, dtype=torch.uint8)

    monkeypatch.setattr(Camera, "shoot", shoot)
    shapes_captioned(1200, 500)
    counts = torch.cat(asked[:-1]).bincount(minlength=len(KINDS))
    assert counts[class_kinds()].sum() == 0
    assert set(counts.tolist()) == {0, 1, 2} and int(counts.eq(0).sum()) == 100
    assert len(asked[-1].unique()) == 500


def test_pictures_are_not_those_of_pre_training_or_of_the_stream():
    assert FIRST_SEED < 2**32  # or it would be cut to a smaller one
    first = shapes_captioned(8, 8, style=STUDIO)
    (pairs,) = shapes_pairs(8, seed=1_000_003)
    pictures = [first.train.pixels, first.test.pixels, pairs.pixels, shapes(8, 1, 1, style=STUDIO).train.pixels]
    assert len({pixels.numpy().tobytes() for pixels in torch.cat(pictures)}) == 32


@pytest.mark.parametrize("wrong", [{"train": 0}, {"test": 0}, {"captions": 0}, {"captions": 7}])
def test_what_cannot_be_drawn_is_refused(wrong):
    with pytest.raises(ValueError, match="image"):
        shapes_captioned(**wrong)
