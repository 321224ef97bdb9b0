import math

import pytest
import torch
from helpers.tiny_teacher import tiny_teacher

from clsim.pretraining.distillation import labeled_loss, soft_target_loss, step_loss, train
from clsim.pretraining.taught_corpus import TaughtStep


def test_labels_are_compared_only_with_classes_that_have_labeled_images():
    logits = torch.tensor([[1.0, 2.0, 9.0], [0.0, 3.0, 9.0]], requires_grad=True)
    loss = labeled_loss(logits, torch.tensor([0, 1]), torch.tensor([True, True, False]))
    assert loss.item() == pytest.approx((math.log(1 + math.e) + math.log(1 + math.exp(-3))) / 2, rel=1e-5)
    loss.backward()
    assert logits.grad[:, 2].tolist() == [0, 0]


def test_soft_targets_are_met_where_the_student_agrees_with_the_teacher():
    taught = torch.tensor([[1.0, 0.0, -1.0]])
    odds = [math.exp(value) for value in (1, 0, -1)]
    entropy = -sum(odd / sum(odds) * math.log(odd / sum(odds)) for odd in odds)
    logits = (taught + 5).requires_grad_()
    loss = soft_target_loss(logits, taught)
    loss.backward()
    assert loss.item() == pytest.approx(entropy, rel=1e-5)
    assert logits.grad.abs().max() < 1e-6
    assert soft_target_loss(taught * 2, taught) > loss


def test_the_loss_of_a_step_is_the_sum_of_its_parts(taught_recipe):
    generator = torch.Generator().manual_seed(0)
    images, texts = torch.rand(5, 3, generator=generator), torch.rand(6, 3, generator=generator)
    taught, labeled = torch.rand(5, 4, generator=generator), torch.tensor([True, True, False, True])
    step = TaughtStep(torch.empty(5, 0), taught, torch.tensor([0, 3, 1]), labeled, ("",) * 6)
    same = torch.eye(2, dtype=torch.bool)
    logits = images @ texts.T
    right, soft, captions = 0.0, 0.0, 0.0
    for row in range(5):
        spread = torch.log_softmax(logits[row, :4], dim=0)
        soft -= float((taught[row].softmax(0) * spread).sum()) / 5
        if row < 3:
            right -= float(torch.log_softmax(logits[row, [0, 1, 3]], dim=0)[[0, 2, 1][row]]) / 3
    for at in range(2):
        pairs = logits[3:, 4:]
        captions -= float(pairs[at].log_softmax(0)[at] + pairs[:, at].log_softmax(0)[at]) / 4
    expected = right + taught_recipe.teacher.weight * soft + 0.5 * captions
    assert step_loss(taught_recipe, step, images, texts, same).item() == pytest.approx(expected, rel=1e-4)


def test_training_learns_and_repeats(taught_recipe, taught_corpus, monkeypatch):
    teacher = tiny_teacher(monkeypatch)
    recipe = taught_recipe.model_copy(update={"epochs": 8, "lr": 5e-3})
    losses = []
    before = torch.get_rng_state()
    first, _ = train(recipe, taught_corpus, teacher, progress=lambda *state: losses.append(state[2]))
    assert torch.equal(torch.get_rng_state(), before)
    again, tokenizer = train(recipe, taught_corpus, teacher)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert not first.training
    assert first.logit_scale.exp().item() == pytest.approx(100)
    assert len(tokenizer) <= recipe.vocabulary
    slow = []
    train(recipe.model_copy(update={"lr": 1e-9}), taught_corpus, teacher, progress=lambda *state: slow.append(state[2]))
    assert losses[-1] < 0.7 * slow[-1]
