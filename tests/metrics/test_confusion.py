import pytest
import torch

from clsim.metrics.confusion import ClassConfusion, confusion_by_class, worst_first


def test_by_hand():
    labels = torch.tensor([3, 3, 3, 3, 3, 0, 0, 7])
    answers = torch.tensor([3, 9, 1, 9, 1, 0, 0, 3])
    assert confusion_by_class(labels, answers) == [
        ClassConfusion(0, 2, 2, []),
        ClassConfusion(3, 5, 1, [(1, 2), (9, 2)]),  # as many of each: by their ids
        ClassConfusion(7, 1, 0, [(3, 1)]),
    ]


def test_it_counts_what_a_loop_counts():
    generator = torch.Generator().manual_seed(0)
    labels, answers = torch.randint(0, 6, (2, 500), generator=generator)
    pairs = list(zip(labels.tolist(), answers.tolist(), strict=True))
    for each in confusion_by_class(labels, answers):
        assert each.images == sum(label == each.label for label, _ in pairs)
        assert each.correct == pairs.count((each.label, each.label))
        assert {wrong: pairs.count((each.label, wrong)) for wrong, _ in each.mistaken_for} == dict(each.mistaken_for)
        assert each.correct + sum(number for _, number in each.mistaken_for) == each.images
        assert each.accuracy == pytest.approx(each.correct / each.images)


def test_without_images_there_is_nothing():
    assert confusion_by_class(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long)) == []


def test_the_worst_class_comes_first():
    classes = [
        ClassConfusion(0, 4, 4, []),
        ClassConfusion(1, 4, 1, []),
        ClassConfusion(2, 8, 2, []),
        ClassConfusion(3, 3, 0, []),
    ]
    assert [each.label for each in worst_first(classes)] == [3, 1, 2, 0]
