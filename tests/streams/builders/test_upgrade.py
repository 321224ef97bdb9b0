import json
import math
from functools import partial

import pytest
import torch
from helpers.tiny import TinyModel, tiny_dataset
from torch import nn

import clsim
from clsim.data.core.images import DataSet
from clsim.metrics.class_accuracy import ClassAccuracy
from clsim.models import EmbeddingClassifier
from clsim.plugins import ClassScope, ModelUpgrade, OldPrototypes
from clsim.streams import upgrade
from clsim.training import Strategy
from clsim.utils.errors import UserError


def positions(stream):
    return [session.resident.indices.tolist() for session in stream.train_stream]


def learner(**settings):
    torch.manual_seed(0)
    return Strategy(
        **{
            "model": TinyModel(),
            "optimizer": partial(torch.optim.SGD, lr=0.1),
            "train_mb_size": 20,
            "train_epochs": 20,
            "plugins": [ClassScope("seen", "seen")],
            **settings,
        }
    )


def by_data():
    return upgrade(tiny_dataset(), classes=[4, 4], images_per_class=[5, 15])


def test_a_session_holds_the_first_images_of_every_class_so_far():
    stream = upgrade(tiny_dataset(), classes=[2, 3], images_per_class=2)
    assert positions(stream) == [[0, 10, 1, 11], [0, 10, 1, 11, 2, 12]]
    assert [session.resident.labels.tolist() for session in stream.train_stream] == [[0, 0, 1, 1], [0, 0, 1, 1, 2, 2]]
    assert all(session.resident.images is stream.dataset.train for session in stream.train_stream)


def test_every_session_may_have_a_number_of_images_of_its_own():
    stream = upgrade(tiny_dataset(), classes=[2, 3], images_per_class=[1, 3])
    assert positions(stream) == [[0, 1], [0, 10, 20, 1, 11, 21, 2, 12, 22]]


def test_without_a_number_it_holds_all_images():
    stream = upgrade(tiny_dataset(), classes=[4, 10])
    assert [len(session.resident) for session in stream.train_stream] == [80, 200]
    assert sorted(positions(stream)[1]) == list(range(200))


def test_blocks_and_test_images_are_those_of_the_new_classes():
    stream = upgrade(tiny_dataset(), classes=[4, 7])
    assert stream.class_blocks == ((0, 1, 2, 3), (4, 5, 6))
    assert stream.cumulative is True
    assert len(stream) == 2
    assert [sorted(set(session.resident.labels.tolist())) for session in stream.test_stream] == [
        [0, 1, 2, 3],
        [4, 5, 6],
    ]
    assert [len(session.resident) for session in stream.test_stream] == [40, 30]
    assert all(session.resident.images is stream.dataset.test for session in stream.test_stream)


def test_a_session_knows_its_classes_and_those_before_and_after():
    first, second = upgrade(tiny_dataset(), classes=[4, 7]).train_stream
    assert first.classes_in_this_experience == first.classes_seen_so_far == {0, 1, 2, 3}
    assert first.previous_classes == set()
    assert first.future_classes == {4, 5, 6}
    assert second.classes_in_this_experience == second.classes_seen_so_far == {0, 1, 2, 3, 4, 5, 6}
    assert second.previous_classes == {0, 1, 2, 3}
    assert second.future_classes == set()


def test_test_sessions_are_not_cumulative():
    first, second = upgrade(tiny_dataset(), classes=[4, 7]).test_stream
    assert first.classes_in_this_experience == {0, 1, 2, 3}
    assert second.classes_in_this_experience == {4, 5, 6}


def test_a_chain_goes_on_from_upgrade_to_upgrade():
    stream = upgrade(tiny_dataset(), classes=[2, 4, 10], images_per_class=[1, 1, 2])
    assert stream.class_blocks == ((0, 1), (2, 3), (4, 5, 6, 7, 8, 9))
    assert [len(session.resident) for session in stream.train_stream] == [2, 4, 20]
    assert [session.current_experience for session in stream.train_stream] == [0, 1, 2]
    last = stream.train_stream[2]
    assert last.previous_classes == {0, 1, 2, 3}
    assert last.classes_in_this_experience == set(range(10))


def test_classes_come_in_a_drawn_order_or_in_a_given_one():
    drawn = torch.randperm(10, generator=torch.Generator().manual_seed(3)).tolist()
    stream = upgrade(tiny_dataset(), classes=[3, 5], images_per_class=1, class_order={"seed": 3})
    assert stream.class_blocks == (tuple(drawn[:3]), tuple(drawn[3:5]))
    assert positions(stream) == [drawn[:3], drawn[:5]]
    given = upgrade(tiny_dataset(), classes=[2, 3], images_per_class=1, class_order=[9, 7, 5, 3, 1, 0, 2, 4, 6, 8])
    assert given.class_blocks == ((9, 7), (5,))
    assert positions(given) == [[9, 7], [9, 7, 5]]
    assert upgrade(tiny_dataset(), classes=[3], class_order="natural").class_blocks == ((0, 1, 2),)


def test_the_items_of_avalanche_are_the_resident_ones():
    second = upgrade(tiny_dataset(), classes=[2, 3], images_per_class=2).train_stream[1]
    assert len(second.dataset) == 6
    image, label, task = second.dataset[3]
    assert (label, task) == (1, 0)
    torch.testing.assert_close(image, tiny_dataset().train.pixels[11] / 255)


def test_an_upgrade_by_data_alone_has_an_empty_block():
    stream = by_data()
    assert stream.class_blocks == ((0, 1, 2, 3), ())
    assert [len(session.resident) for session in stream.train_stream] == [20, 60]
    assert [len(session.resident) for session in stream.test_stream] == [40, 0]
    second = stream.train_stream[1]
    assert second.classes_in_this_experience == second.previous_classes == second.classes_seen_so_far == {0, 1, 2, 3}


def test_an_upgrade_by_data_alone_trains_and_is_evaluated_on_the_classes_it_knows():
    stream, strategy, metric = by_data(), learner(), ClassAccuracy(10)
    strategy.evaluator.metrics.append(metric)
    for session, experience in enumerate(stream.train_stream):
        strategy.train(experience, eval_streams=[])
        assert strategy.images_trained == 20 * len(experience.resident)
        strategy.eval(stream.test_stream[: session + 1])
        assert metric.counts.total.tolist() == [10] * 4 + [0] * 6
        assert metric.counts.accuracy() > 0.7


def test_an_upgrade_by_data_alone_can_be_run(tmp_path):
    results = clsim.run(by_data(), learner(), out=tmp_path / "run")
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    assert written["status"] == "complete"
    first, second = results.to_dict()["sessions"]
    assert (first["new_classes"], second["new_classes"]) == ([0, 1, 2, 3], [])
    assert (first["seen_classes"], second["seen_classes"]) == (4, 4)
    assert second["base_accuracy"] == second["accuracy"] > 0.7
    assert second["novel_accuracy"] is None
    assert second["harmonic_mean"] is None


def test_a_loader_of_avalanche_takes_an_upgrade_by_data_alone():
    class ByHand(ClassScope):
        def after_train_dataset_adaptation(self, strategy, **kwargs):
            strategy.adapted_dataset = strategy.adapted_dataset.subset(range(len(strategy.adapted_dataset)))

    strategy = learner(plugins=[ByHand("seen", "seen")], train_epochs=1)
    for session in by_data().train_stream:
        strategy.train(session, eval_streams=[])
        assert strategy.images_trained == len(session.resident)


def test_models_take_over_in_an_upgrade_by_data_alone(tmp_path):
    class Flat(nn.Module):
        num_features = 192

        def forward(self, images):
            return images.flatten(1) - 0.1

    taking_over = ModelUpgrade(lambda upgrade: EmbeddingClassifier(Flat(), 8, 10))
    holding = OldPrototypes(taking_over, [(1.0, lambda new, old, labels: (new - old[labels]).square().mean())])
    strategy = learner(
        model=EmbeddingClassifier(Flat(), 8, 10), plugins=[taking_over, ClassScope("seen", "seen"), holding]
    )
    second = clsim.run(by_data(), strategy, out=tmp_path / "run").to_dict()["sessions"][1]
    assert math.isfinite(second["accuracy"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"classes": []}, "classes: must be not empty"),
        ({"classes": [0, 4]}, "classes.0: must be more than 0, got 0"),
        ({"classes": [4, -1]}, "classes.1: must be more than 0, got -1"),
        ({"classes": [4, 11]}, "11 classes of tiny, which has 10"),
        ({"classes": [4, 3]}, "session 1 has fewer than the one before"),
        ({"classes": [4, 6, 5]}, "session 2 has fewer than the one before"),
        ({"classes": [4, 6], "images_per_class": [5, 4]}, "session 1 has fewer than the one before"),
        ({"classes": [4, 4]}, "session 1 brings nothing"),
        ({"classes": [4, 4], "images_per_class": 5}, "session 1 brings nothing"),
        (
            {"classes": [4, 6, 6], "images_per_class": [5, 5, 5]},
            "session 2 brings nothing",
        ),
        ({"classes": [4, 6], "images_per_class": [5, 5, 5]}, "images_per_class: 3 numbers for 2 sessions"),
        ({"classes": [4, 6], "images_per_class": 21}, "class 0 has 20 training images, 21 are asked for"),
        ({"classes": [4, 6], "class_order": [0, 1]}, "class_order: 8 classes missing: 2, 3, 4"),
    ],
)
def test_what_is_no_upgrade_is_the_users_error(settings, said):
    with pytest.raises(UserError, match=said):
        upgrade(tiny_dataset(), **settings)


@pytest.mark.parametrize("images", [0, -1, [0, 5], [-2, -1]])
def test_fewer_than_one_image_of_a_class_is_the_users_error(images):
    with pytest.raises(UserError):
        upgrade(tiny_dataset(), classes=[4, 6], images_per_class=images)


def test_a_class_without_training_images_is_the_users_error():
    whole = tiny_dataset()
    lacking = DataSet("tiny", whole.train.subset((whole.train.labels != 5).nonzero().flatten()), whole.test)
    assert len(upgrade(lacking, classes=[3, 5])) == 2
    with pytest.raises(UserError, match="class 5 has 0 training images"):
        upgrade(lacking, classes=[3, 6])
