import torch
from torch.nn import functional as F

from clsim.losses import EXCLUDED, current_class_cross_entropy, exclude_classes


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
