from functools import partial

import pytest
import torch
from torch.nn import functional as F

from clsim.losses import (
    exclude_classes,
    prototype_alignment,
    prototype_cross_entropy,
    smoothed_cross_entropy,
)

PROTOTYPES = torch.tensor([[0.9, 0.1, 0.0], [-0.2, 0.7, 0.3], [0.1, -0.4, 0.8]], dtype=torch.float64)
FEATURES = torch.tensor(
    [[0.3, 0.4, -0.2, 0.6, 0.1], [1.0, -2.0, 0.5, 0.0, 3.0], [-0.6, 0.2, 0.9, -1.0, 0.4], [0.2, 0.2, 0.2, 5.0, -5.0]],
    dtype=torch.float64,
)
ROWS = torch.tensor([0, 2, 1, 2])


def random_logits(*, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return (10 * torch.randn(6, 9, generator=generator, dtype=dtype)).requires_grad_()


def smoothed_by_hand(logits, labels, classes, smoothing):
    """Sample by sample, over the classes that take part."""
    losses = []
    for row, label in zip(logits, labels.tolist(), strict=True):
        logs = {c: row[c] - torch.stack([row[d] for d in classes]).exp().sum().log() for c in classes}
        losses.append(-(1 - smoothing) * logs[label] - smoothing / len(classes) * sum(logs.values()))
    return torch.stack(losses).mean()


def shortened(features):
    cut = features[:, :3]
    return cut / cut.square().sum(1, keepdim=True).sqrt()


def prototype_by_hand(features, rows, labels, smoothing):
    logits = shortened(features) @ rows.T
    logs = logits - logits.exp().sum(1, keepdim=True).log()
    target = torch.full_like(logits, smoothing / len(rows))
    target[torch.arange(len(labels)), labels] += 1 - smoothing
    return -(target * logs).sum(1).mean()


def alignment_by_hand(features, rows, labels):
    own = rows[labels]
    return (1 - (shortened(features) * own).sum(1) / own.square().sum(1).sqrt()).mean()


def value_and_gradient(loss, at):
    leaf = at.detach().clone().requires_grad_()
    value = loss(leaf)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_cross_entropy_is_torchs_on_the_slice_of_classes_that_take_part(smoothing):
    logits, classes, labels = random_logits(), torch.tensor([1, 4, 5, 8]), torch.tensor([4, 8, 1, 5, 4, 1])
    place = torch.tensor([1, 3, 0, 2, 1, 0])
    value, gradient = value_and_gradient(
        lambda leaf: smoothed_cross_entropy(exclude_classes(leaf, classes), labels, smoothing), logits
    )
    expected, sliced = value_and_gradient(
        lambda leaf: F.cross_entropy(leaf[:, classes], place, label_smoothing=smoothing), logits
    )
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, sliced, rtol=0, atol=1e-12)
    assert gradient[:, [0, 2, 3, 6, 7]].abs().max() == 0


def test_smoothed_cross_entropy_is_the_formula_in_value_and_gradient():
    logits, classes, labels = random_logits(), torch.tensor([1, 4, 5, 8]), torch.tensor([4, 8, 1, 5, 4, 1])
    value, gradient = value_and_gradient(
        lambda leaf: smoothed_cross_entropy(exclude_classes(leaf, classes), labels, 0.1), logits
    )
    expected, by_hand = value_and_gradient(lambda leaf: smoothed_by_hand(leaf, labels, classes.tolist(), 0.1), logits)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, by_hand, rtol=0, atol=1e-12)


def test_smoothed_cross_entropy_over_all_classes_is_torchs():
    logits, labels = random_logits(dtype=torch.float32), torch.tensor([4, 8, 1, 5, 4, 1])
    torch.testing.assert_close(
        smoothed_cross_entropy(logits, labels, 0.1), F.cross_entropy(logits, labels, label_smoothing=0.1)
    )


def test_smoothed_cross_entropy_by_hand_in_float32():
    logits = exclude_classes(torch.tensor([[0.0, 5.0, 2.0]]), torch.tensor([0, 2]))
    # Of e^0 and e^2 the first has log-probability -2.126928, the second -0.126928.
    loss = smoothed_cross_entropy(logits, torch.tensor([2]), 0.1)
    torch.testing.assert_close(loss, torch.tensor(0.9 * 0.126928 + 0.05 * (0.126928 + 2.126928)), rtol=0, atol=1e-5)


def test_one_class_alone_costs_nothing():
    logits = exclude_classes(torch.tensor([[3.0, 5.0, 2.0]]), torch.tensor([0]))
    assert smoothed_cross_entropy(logits, torch.tensor([0]), 0.1).item() == 0


def test_smoothed_cross_entropy_has_the_gradient_that_differences_have():
    labels = torch.tensor([4, 8, 1, 5, 4, 1])
    kept = torch.tensor([1, 4, 5, 8])
    assert torch.autograd.gradcheck(
        lambda leaf: smoothed_cross_entropy(exclude_classes(leaf, kept), labels, 0.1), (random_logits(),)
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_prototype_cross_entropy_is_the_formula_in_value_and_gradient(smoothing):
    value, gradient = value_and_gradient(
        lambda leaf: prototype_cross_entropy(leaf, PROTOTYPES, ROWS, smoothing), FEATURES
    )
    expected, by_hand = value_and_gradient(lambda leaf: prototype_by_hand(leaf, PROTOTYPES, ROWS, smoothing), FEATURES)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, by_hand, rtol=0, atol=1e-12)
    assert gradient[:, :3].abs().max() > 1e-3


def test_prototype_cross_entropy_by_hand():
    features, rows = torch.tensor([[3.0, 4.0, 9.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    # The shortened feature is (0.6, 0.8): logits 1.2 and 0.8.
    loss = prototype_cross_entropy(features, rows, torch.tensor([1]))
    torch.testing.assert_close(loss, torch.tensor(0.4).exp().log1p())


def test_prototype_alignment_is_the_formula_in_value_and_gradient():
    value, gradient = value_and_gradient(lambda leaf: prototype_alignment(leaf, PROTOTYPES, ROWS), FEATURES)
    expected, by_hand = value_and_gradient(lambda leaf: alignment_by_hand(leaf, PROTOTYPES, ROWS), FEATURES)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, by_hand, rtol=0, atol=1e-12)
    assert gradient[:, :3].abs().max() > 1e-3


def test_prototype_alignment_by_hand():
    features, rows = torch.tensor([[3.0, 4.0, 9.0], [0.0, -2.0, 1.0]]), torch.tensor([[5.0, 0.0], [0.0, 0.5]])
    torch.testing.assert_close(prototype_alignment(features, rows, torch.tensor([0, 1])), torch.tensor((0.4 + 2) / 2))


@pytest.mark.parametrize(
    "loss", [prototype_cross_entropy, partial(prototype_cross_entropy, label_smoothing=0.1), prototype_alignment]
)
def test_numbers_beyond_the_prototypes_width_have_no_part_in_it(loss):
    value, gradient = value_and_gradient(lambda leaf: loss(leaf, PROTOTYPES, ROWS), FEATURES)
    assert gradient.shape == (4, 5)
    assert torch.equal(gradient[:, 3:], torch.zeros(4, 2, dtype=torch.float64))
    other = FEATURES.clone()
    other[:, 3:] = 77.0
    assert torch.equal(loss(other, PROTOTYPES, ROWS), value)
    assert torch.equal(loss(FEATURES[:, :3], PROTOTYPES, ROWS), value)


@pytest.mark.parametrize(
    "loss", [prototype_cross_entropy, partial(prototype_cross_entropy, label_smoothing=0.1), prototype_alignment]
)
def test_the_length_of_the_features_does_not_matter_and_the_gradient_is_that_of_differences(loss):
    leaf = FEATURES.clone().requires_grad_()
    torch.testing.assert_close(loss(7 * leaf, PROTOTYPES, ROWS), loss(leaf, PROTOTYPES, ROWS), rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(lambda at: loss(at, PROTOTYPES, ROWS), (leaf,))
