import math

import pytest
import torch
from helpers.errors import refused
from torch.nn import functional as F

from clsim.losses import (
    EXCLUDED,
    contrastive_loss,
    cosine_distillation,
    current_class_cross_entropy,
    exclude_classes,
    higher_order_compatibility,
    no_loss,
)


def logits_and_labels():
    generator = torch.Generator().manual_seed(0)
    logits = (100 * torch.rand(6, 9, generator=generator)).requires_grad_()
    return logits, torch.tensor([4, 5, 6, 4, 5, 6]), torch.tensor([4, 5, 6])


def test_masked_loss_is_the_loss_on_the_current_slice_in_value_and_gradient():
    logits, labels, classes = logits_and_labels()
    masked = current_class_cross_entropy(logits, labels, classes)
    (gradient,) = torch.autograd.grad(masked, logits)
    sliced = F.cross_entropy(logits[:, 4:7], labels - 4)
    (expected,) = torch.autograd.grad(sliced, logits)
    torch.testing.assert_close(masked, sliced, rtol=0, atol=1e-6)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-7)
    assert gradient[:, :4].abs().max() == 0


def test_masked_loss_equals_the_published_overwriting_with_minus_9999():
    logits, labels, classes = logits_and_labels()
    published = logits.detach().clone()
    published[:, :4] = -9999
    published[:, 7:] = -9999
    torch.testing.assert_close(current_class_cross_entropy(logits, labels, classes), F.cross_entropy(published, labels))


def test_loss_by_hand():
    logits = torch.tensor([[0.0, 1.0, 1.0]])
    loss = current_class_cross_entropy(logits, torch.tensor([1]), torch.tensor([1, 2]))
    torch.testing.assert_close(loss, torch.tensor(2.0).log())


def test_excluded_classes_get_probability_zero_in_both_precisions():
    for dtype in (torch.float32, torch.bfloat16):
        kept = exclude_classes(torch.zeros(1, 3, dtype=dtype), torch.tensor([0, 2]))
        assert kept.dtype == dtype
        assert kept[0, 1] <= EXCLUDED * 0.99
        assert kept.softmax(1)[0, 1] == 0
        assert torch.isfinite(kept.log_softmax(1)).all()


OLD = torch.tensor([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0.6, 0.8]], dtype=torch.float64)
NEW = torch.tensor([[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
LABELS = torch.tensor([0, 0, 1, 2])


def compatibility_by_loops(new, old, labels, mu, same_class):
    """Equation 4, term by term."""
    total = torch.zeros((), dtype=new.dtype)
    for n in range(len(new)):
        terms = []
        for m in range(len(new)):
            cosine = old[n] @ new[m] / (old[n].norm() * new[m].norm())
            if labels[n] != labels[m]:
                terms.append((mu * cosine).exp())
            elif same_class == "counted":
                terms.append(torch.ones((), dtype=new.dtype))
            if n == m:
                total = total - mu * cosine
        if terms:
            total = total + sum(terms).log()
    return total / len(new)


@pytest.mark.parametrize(("same_class", "expected"), [("counted", -5.282158), ("excluded", -5.6299)])
def test_compatibility_of_the_published_example(same_class, expected):
    loss = higher_order_compatibility(NEW, OLD, LABELS, 10.0, same_class)
    assert loss.item() == pytest.approx(expected, abs=1e-4 if same_class == "excluded" else 1e-6)


@pytest.mark.parametrize("same_class", ["counted", "excluded"])
@pytest.mark.parametrize("labels", [[0, 0, 1, 2, 1], [3, 3, 3, 3, 3], [0, 1, 2, 3, 4]])
def test_compatibility_is_its_double_loop_in_value_and_gradient(same_class, labels):
    generator = torch.Generator().manual_seed(1)
    new = (3 * torch.randn(5, 4, generator=generator, dtype=torch.float64)).requires_grad_()
    old, labels = torch.randn(5, 4, generator=generator, dtype=torch.float64), torch.tensor(labels)
    loss = higher_order_compatibility(new, old, labels, 7.0, same_class)
    plain = compatibility_by_loops(new, old, labels, 7.0, same_class)
    torch.testing.assert_close(loss, plain)
    torch.testing.assert_close(*(torch.autograd.grad(value, new)[0] for value in (loss, plain)))
    assert torch.autograd.gradcheck(
        lambda features: higher_order_compatibility(features, old, labels, 7.0, same_class), new
    )


def test_compatibility_of_one_class_is_its_positive_pairs():
    one = torch.zeros(4, dtype=torch.long)
    positive = -10 * (OLD * NEW).sum(1).mean()
    excluded = higher_order_compatibility(NEW, OLD, one, same_class="excluded")
    torch.testing.assert_close(excluded, positive)
    counted = higher_order_compatibility(NEW, OLD, one)
    torch.testing.assert_close(counted, positive + torch.tensor(4.0).double().log())


def test_compatibility_knows_two_ways_with_the_same_class():
    with refused(ValueError, names=("same_class", "'sometimes'")):
        higher_order_compatibility(NEW, OLD, LABELS, same_class="sometimes")


def test_cosine_distillation_by_hand_whatever_the_length():
    loss = cosine_distillation(NEW * 3, OLD)
    assert loss.item() == pytest.approx((0 + 0.2 + 0 + 0.2) / 4)


def test_cosine_distillation_of_nothing_is_zero_and_can_be_added():
    new = torch.zeros(0, 3, requires_grad=True)
    loss = cosine_distillation(new, torch.zeros(0, 3))
    assert loss.item() == 0
    loss.backward()


def test_contrastive_loss_by_hand():
    logits = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    rows = math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-2))
    columns = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))
    assert contrastive_loss(logits).item() == pytest.approx((rows + columns) / 4)
    assert contrastive_loss(logits).item() == pytest.approx(contrastive_loss(logits.T).item())


def test_contrastive_loss_leaves_out_pairs_that_fit_as_well():
    logits = torch.tensor([[2.0, 9.0, 0.0], [9.0, 2.0, 0.0], [0.0, 0.0, 2.0]], requires_grad=True)
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    loss = contrastive_loss(logits, same)
    one, two = math.log(1 + math.exp(-2)), math.log(1 + 2 * math.exp(-2))
    assert loss.item() == pytest.approx((2 * one + two) / 3)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, 1] == logits.grad[1, 0] == 0


def test_no_loss_adds_nothing_and_can_be_lowered_together_with_others():
    weight = torch.ones(2, requires_grad=True)
    loss = no_loss(weight.expand(3, 2), torch.arange(3)) + weight.sum()
    loss.backward()
    assert loss.item() == 2
    assert weight.grad.tolist() == [1, 1]
