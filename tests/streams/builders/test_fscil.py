import pytest
import torch
from helpers.tiny import tiny_dataset

from clsim.streams import fscil
from clsim.utils.errors import UserError

DRAWN = {"base_classes": 6, "ways": 2, "shots": 5, "splits": {"draw": 3}}


def test_sessions_shots_and_timeline():
    stream = fscil(tiny_dataset(), **DRAWN)
    assert len(stream) == len(stream.train_stream) == len(stream.test_stream) == 3
    assert [len(session.dataset) for session in stream.train_stream] == [120, 10, 10]
    assert [len(session.dataset) for session in stream.test_stream] == [60, 20, 20]
    last = stream.train_stream[2]
    assert last.classes_in_this_experience == {8, 9}
    assert last.previous_classes == set(range(8))
    assert last.classes_seen_so_far == set(range(10))
    assert last.future_classes == set()
    assert stream.train_stream[0].future_classes == {6, 7, 8, 9}
    _, counts = last.resident.labels.unique(return_counts=True)
    assert counts.tolist() == [5, 5]
    assert stream.few_shot
    assert stream.replacements == last.replacements == ()


def test_items_are_avalanches_x_y_t_of_the_resident_images():
    stream = fscil(tiny_dataset(), **DRAWN)
    session = stream.train_stream[1]
    for position in (0, 7):
        image, label, task = session.dataset[position]
        pixels = session.resident.images.pixels[session.resident.indices[position]]
        torch.testing.assert_close(image, pixels.float() / 255)
        assert image.dtype == torch.float32
        assert (label, task) == (int(session.resident.labels[position]), 0)
    assert list(session.dataset.targets) == session.resident.labels.tolist()


def test_slices_of_the_test_stream_stay_a_test_stream():
    stream = fscil(tiny_dataset(), **DRAWN)
    part = stream.test_stream[:2]
    assert part[0].origin_stream.name == "test"
    assert [session.current_experience for session in part] == [0, 1]


def test_same_seed_same_shots_and_the_global_generator_is_left_alone():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first, again = fscil(tiny_dataset(), **DRAWN), fscil(tiny_dataset(), **DRAWN)
    other = fscil(tiny_dataset(), **{**DRAWN, "splits": {"draw": 4}})
    assert torch.equal(torch.get_rng_state(), before)
    shots = [stream.train_stream[1].resident.indices.tolist() for stream in (first, again, other)]
    assert shots[0] == shots[1] != shots[2]


@pytest.mark.parametrize("order", [{"seed": 5}, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]])
def test_class_order_moves_classes_and_never_renumbers_them(order):
    stream = fscil(tiny_dataset(), **DRAWN, class_order=order)
    arrived = [label for block in stream.class_blocks for label in block]
    assert sorted(arrived) == list(range(10))
    assert arrived != list(range(10))
    for session, block in zip(stream.train_stream, stream.class_blocks, strict=True):
        assert set(session.dataset.targets) == set(block)
        image, label, _ = session.dataset[0]
        # The bright pixel of the tiny world tells the true class.
        assert image[0, label % 8, label // 8] == 1


def test_who_composes_a_stream_says_by_what_seed_to_draw():
    with pytest.raises(UserError, match="splits: 'drawn' names no seed") as caught:
        fscil(tiny_dataset(), **{**DRAWN, "splits": "drawn"})
    assert 'splits={"draw": SEED}' in caught.value.fix
    with pytest.raises(UserError, match="class_order: 'drawn' names no seed") as caught:
        fscil(tiny_dataset(), **DRAWN, class_order="drawn")
    assert 'class_order={"seed": SEED}' in caught.value.fix


def test_a_class_is_never_dropped():
    with pytest.raises(UserError, match="leave 1 of 10 classes over"):
        fscil(tiny_dataset(), base_classes=5, ways=2, shots=5, splits={"draw": 0})
    assert len(fscil(tiny_dataset(), base_classes=5, ways=2, shots=5, sessions=2, splits={"draw": 0})) == 3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sessions": 3}, r"6 \+ 3 x 2 = 12 classes of tiny, which has 10"),
        ({"shots": 21}, "20 training images"),
        ({"class_order": [0, 0, 1]}, "class 0 appears 2 times"),
        ({"splits": "standard"}, "no standard few-shot lists"),
    ],
)
def test_what_does_not_fit_is_the_users_error(settings, said):
    with pytest.raises(UserError, match=said):
        fscil(tiny_dataset(), **{**DRAWN, **settings})


@pytest.mark.real_data("cifar100", "fscil_splits")
def test_standard_lists_of_cifar100():
    from clsim.data import load_dataset

    stream = fscil(load_dataset("cifar100", download=False), base_classes=60, ways=5, shots=5)
    assert [len(session.resident) for session in stream.train_stream] == [30_000, *[25] * 8]
    assert [len(session.resident) for session in stream.test_stream] == [6_000, *[500] * 8]
    assert stream.train_stream[1].resident.indices[:3].tolist() == [29774, 33344, 4815]
    assert stream.class_blocks[8] == (95, 96, 97, 98, 99)
    with pytest.raises(UserError, match="the standard lists of cifar100 are for shots 5"):
        fscil(load_dataset("cifar100", download=False), base_classes=60, ways=5, shots=1)
    with pytest.raises(UserError, match="are for the natural order"):
        fscil(load_dataset("cifar100", download=False), base_classes=60, ways=5, shots=5, class_order={"seed": 1})
