import pytest
import torch
from helpers.tiny import tiny_captions, tiny_clip

from clsim.models.replacement_model import ReplacementClip
from clsim.streams import TextStream, text_upgrade
from clsim.utils.errors import UserError


def arrivals(count=2):
    return [ReplacementClip(f"m{number}", tiny_clip(seed=number)) for number in range(count)]


@pytest.mark.parametrize("sessions", [1, 2, 3])
def test_every_model_is_a_session(sessions):
    models = arrivals(sessions)
    stream = text_upgrade(tiny_captions(), load=models)
    assert isinstance(stream, TextStream)
    assert len(stream) == len(stream.train_stream) == sessions
    assert stream.models == tuple(models)
    assert len(stream.test_stream) == 0 == len(stream.test_stream[:1])
    assert stream.image_size == 8
    assert [session.current_experience for session in stream.train_stream] == list(range(sessions))
    assert not any(session.classes_in_this_experience for session in stream.train_stream)


def test_labels_number_the_pairs_and_the_pairs_are_the_first_of_the_data():
    data = tiny_captions()
    stream = text_upgrade(data, load=arrivals(), pairs=5)
    assert len(stream.pairs) == 5
    assert stream.texts == data.train.texts
    assert len(stream.texts) == 24
    assert stream.texts[: len(stream.pairs.texts)] == stream.pairs.texts
    assert len(stream.pairs.texts) == 1 + 2 + 3 + 1 + 2
    for session in stream.train_stream:
        images, labels = zip(*[session.dataset[i][:2] for i in range(5)], strict=True)
        assert list(labels) == [0, 1, 2, 3, 4]
        view = session.resident
        assert view.labels.tolist() == [0, 1, 2, 3, 4]
        assert torch.equal(view.images.pixels[view.indices], data.train.pixels[:5])
        assert len(images) == len(session.dataset) == 5
        assert view.images.class_names == ("a red 0", "a green 1", "a blue 2", "a red 3", "a green 4")


def test_without_a_number_all_images_are_pairs():
    data = tiny_captions()
    assert text_upgrade(data, load=arrivals()).pairs is data.train
    assert len(text_upgrade(data, load=arrivals(), pairs=12).pairs) == 12


@pytest.mark.parametrize(
    ("settings", "what", "where"),
    [
        ({"load": []}, "needs at least one model", "stream.load"),
        ({"pairs": 13}, "13 captioned training images are asked for, tiny has 12", "stream.pairs"),
        ({"pairs": 0}, "pairs: must be at least 1, got 0", "text_upgrade"),
        ({"pairs": 2.0}, "pairs: expected an integer, got 2.0", "text_upgrade"),
        ({"load": ["first"]}, "stream.load.0: expected a ReplacementClip, got the string 'first'", None),
    ],
)
def test_what_cannot_be_had_is_the_users_error(settings, what, where):
    with pytest.raises(UserError, match=what) as told:
        text_upgrade(tiny_captions(), **{"load": arrivals(), **settings})
    assert told.value.where == where
