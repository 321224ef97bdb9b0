import pytest
import torch

from clsim.losses import influence_rows, prototypes


def test_a_prototype_is_the_mean_of_the_features_of_a_class():
    features = torch.tensor([[1.0, 2.0], [10.0, 0.0], [3.0, 6.0], [5.0, 1.0]])
    classes, means = prototypes(features, torch.tensor([3, 0, 3, 3]))
    assert classes.tolist() == [0, 3]
    torch.testing.assert_close(means, torch.tensor([[10.0, 0.0], [3.0, 3.0]]))


def test_classes_rise_and_need_not_be_all_there_are():
    classes, means = prototypes(torch.arange(4.0).unsqueeze(1), torch.tensor([90, 7, 41, 7]))
    assert classes.tolist() == [7, 41, 90]
    assert means.tolist() == [[2.0], [2.0], [0.0]]


def test_prototypes_are_not_scaled():
    _, means = prototypes(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 0, 1]))
    assert means.tolist() == [[0.0, 0.0], [0.0, 5.0]]


def test_prototypes_are_those_of_a_loop_over_the_classes():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(200, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 12, (200,), generator=generator)
    classes, means = prototypes(features, labels)
    assert means.dtype == torch.float64
    expected = torch.stack([features[labels == label].mean(0) for label in classes])
    torch.testing.assert_close(means, expected, rtol=0, atol=1e-14)


def test_learnt_classes_keep_their_rows_and_the_others_get_prototypes_of_their_mean_length():
    found = torch.tensor([[1.0, 1.0], [0.0, 0.2], [-3.0, 4.0], [1.0, 0.0]])
    rows = torch.tensor([[3.0, 4.0], [100.0, 0.0], [0.0, 100.0], [0.0, 1.0]])
    made = influence_rows(found, rows, torch.tensor([True, False, False, True]))
    # The rows that were learnt have length 5 and 1.
    torch.testing.assert_close(made, torch.tensor([[3.0, 4.0], [0.0, 3.0], [-1.8, 2.4], [0.0, 1.0]]))


def test_with_all_classes_learnt_the_classifier_stays_as_it_is():
    rows = torch.tensor([[3.0, 4.0], [0.5, 0.0]])
    assert torch.equal(influence_rows(torch.ones(2, 2), rows, torch.tensor([True, True])), rows)


def test_rows_of_classes_that_were_not_learnt_are_not_looked_at():
    found, learnt = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([True, False])
    one = influence_rows(found, torch.tensor([[2.0, 0.0], [7.0, 7.0]]), learnt)
    other = influence_rows(found, torch.tensor([[2.0, 0.0], [float("nan"), float("inf")]]), learnt)
    assert torch.equal(one, other)
    assert torch.isfinite(one).all()


def test_a_prototype_of_length_zero_makes_a_row_of_zeros():
    made = influence_rows(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.ones(2, 2), torch.tensor([True, False]))
    assert made[1].tolist() == [0.0, 0.0]


def test_rows_carry_no_gradient_and_the_classifier_is_not_changed():
    rows = torch.tensor([[3.0, 4.0], [0.0, 1.0]], requires_grad=True)
    made = influence_rows(torch.ones(2, 2), rows, torch.tensor([True, False]))
    assert not made.requires_grad
    made.zero_()
    assert rows.tolist() == [[3.0, 4.0], [0.0, 1.0]]


@pytest.mark.parametrize("count", [1, 5])
def test_one_image_a_class_is_its_own_prototype(count):
    features = torch.rand(count, 3, generator=torch.Generator().manual_seed(0))
    classes, means = prototypes(features, torch.arange(count))
    assert classes.tolist() == list(range(count))
    torch.testing.assert_close(means, features)
