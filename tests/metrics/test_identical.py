import pytest
import torch
from helpers.tiny import tiny_images

from clsim.data.core.images import Images
from clsim.metrics import identical
from clsim.metrics.identical import gallery_only_items, identical_items


def plain(query, gallery):
    """Copies of each query by a double loop."""
    return [[n for n, item in enumerate(gallery.pixels) if item.equal(image)] for image in query.pixels]


def listed(own):
    return [[place for place in row if place >= 0] for row in own.tolist()]


@pytest.mark.parametrize("pixels", [1, 192 * 7, 1 << 24])
def test_copies_are_found_wherever_they_lie(monkeypatch, pixels):
    monkeypatch.setattr(identical, "PIXELS", pixels)
    gallery = tiny_images(4)
    gallery = gallery.subset([*torch.randperm(40, generator=torch.Generator().manual_seed(0)).tolist(), 3, 3, 17])
    query = tiny_images(4).subset([5, 17, 3, 39, 5])
    other = tiny_images(1, seed=9)
    query = Images(torch.cat([query.pixels, other.pixels]), torch.cat([query.labels, other.labels]),
                   query.class_names, "both")  # fmt: skip
    own = identical_items(query, gallery)
    assert listed(own) == plain(query, gallery)
    assert own.shape[1] == 3
    assert [len(row) for row in listed(own)] == [1, 2, 3, 1, 1] + [0] * 10


def test_images_of_the_same_sum_are_no_copies():
    pixels = tiny_images(1).pixels
    turned = Images(pixels.flip(3), tiny_images(1).labels, tiny_images(1).class_names, "turned")
    assert identical_items(tiny_images(1), turned) is None


def test_nothing_is_found_in_other_images_or_other_sizes():
    assert identical_items(tiny_images(2), tiny_images(2, seed=1)) is None
    assert identical_items(tiny_images(2), tiny_images(2, size=9)) is None


def test_others_are_items_that_no_query_is():
    assert gallery_only_items(torch.tensor([[-1, -1]]), 3).tolist() == [0, 1, 2]
    assert gallery_only_items(torch.tensor([[0], [2], [1]]), 3).tolist() == []
