import pytest
import torch
from helpers.tiny import tiny_dataset

from clsim.data.core.images import DataSet
from clsim.streams import incremental
from clsim.utils.errors import UserError


def test_every_session_brings_new_classes_with_all_their_images():
    stream = incremental(tiny_dataset(), base_classes=4, ways=3)
    assert stream.class_blocks == ((0, 1, 2, 3), (4, 5, 6), (7, 8, 9))
    assert [len(session.resident) for session in stream.train_stream] == [80, 60, 60]
    assert [len(session.resident) for session in stream.test_stream] == [40, 30, 30]
    assert not stream.few_shot
    last = stream.train_stream[2]
    assert last.classes_seen_so_far == set(range(10))
    assert set(last.dataset.targets) == {7, 8, 9}


def test_the_first_images_of_every_class_are_taken_in_the_order_of_the_data_set():
    stream = incremental(tiny_dataset(), base_classes=4, ways=3, images_per_class=3)
    labels = stream.dataset.train.labels
    assert [len(session.resident) for session in stream.train_stream] == [12, 9, 9]
    assert [len(session.resident) for session in stream.test_stream] == [40, 30, 30]
    for session in stream.train_stream:
        for label in session.classes_in_this_experience:
            mine = session.resident.indices[session.resident.labels == label].tolist()
            assert mine == (labels == label).nonzero().flatten()[:3].tolist()


def test_classes_come_in_the_order_asked_for_and_sessions_may_leave_some_out():
    order = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    stream = incremental(tiny_dataset(), base_classes=4, ways=2, sessions=1, class_order=order)
    assert stream.class_blocks == ((9, 8, 7, 6), (5, 4))
    assert stream.train_stream[1].future_classes == set()
    drawn = [incremental(tiny_dataset(), base_classes=4, ways=3, class_order={"seed": n}) for n in (1, 1, 2)]
    assert drawn[0].class_blocks == drawn[1].class_blocks != drawn[2].class_blocks


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ways": 4}, "leave 2 of 10 classes over"),
        ({"base_classes": 11}, "11 classes of tiny, which has 10"),
        ({"sessions": 3}, r"4 \+ 3 x 3 = 13 classes of tiny, which has 10"),
        ({"images_per_class": 21}, "class 0 has 20 training images, 21 are asked for"),
        ({"class_order": [1, 1]}, "class 1 appears 2 times"),
    ],
)
def test_what_does_not_fit_is_the_users_error(settings, said):
    with pytest.raises(UserError, match=said):
        incremental(tiny_dataset(), **{"base_classes": 4, "ways": 3, **settings})


def test_a_class_without_images_is_told():
    whole = tiny_dataset()
    part = whole.train.subset(torch.nonzero(whole.train.labels != 5).flatten())
    with pytest.raises(UserError, match="class 5 has 0 training images"):
        incremental(DataSet("tiny", part, whole.test), base_classes=4, ways=3)


@pytest.mark.real_data("cifar100")
@pytest.mark.parametrize(("ways", "sessions"), [(15, 7), (3, 31)])
def test_the_published_protocols_of_cifar100(ways, sessions):
    from clsim.data import load_dataset

    data = load_dataset("cifar100", download=False)
    stream = incremental(data, base_classes=10, ways=ways, images_per_class=300)
    assert [len(session.resident) for session in stream.train_stream] == [3000, *[300 * ways] * (sessions - 1)]
