import math

import pytest
import torch
from helpers.pretended_cuda import pretended

from clsim.pretraining.contrastive import contrastive_loss, interchangeable, learning_rate, logit_scale, train
from clsim.pretraining.corpora import ShapesCorpus


def test_the_loss_is_the_mean_of_both_directions():
    logits = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    rows = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-2))) / 2
    columns = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))) / 2
    loss = contrastive_loss(logits, torch.eye(2, dtype=torch.bool))
    assert loss.item() == pytest.approx((rows + columns) / 2)


def test_captions_that_fit_as_well_are_no_wrong_answers():
    logits = torch.randn(3, 3, requires_grad=True)
    same = torch.eye(3, dtype=torch.bool)
    same[0, 1] = same[1, 0] = True
    contrastive_loss(logits, same).backward()
    assert logits.grad[0, 1] == logits.grad[1, 0] == 0
    assert (logits.grad[0, 2], logits.grad[2, 1]) != (0, 0)


def test_equal_texts_and_equal_topics_are_interchangeable():
    tokens = torch.tensor([[1, 2], [1, 2], [3, 4], [5, 6], [7, 8]])
    topics = torch.tensor([-1, -1, 4, 4, -1])
    expected = torch.eye(5, dtype=torch.bool)
    expected[0, 1] = expected[1, 0] = expected[2, 3] = expected[3, 2] = True
    assert torch.equal(interchangeable(tokens, topics), expected)


def test_the_learning_rate_warms_up_and_falls_to_zero(tiny_recipe):
    recipe = tiny_recipe.model_copy(update={"lr": 0.01, "warmup": 0.1})
    rates = [learning_rate(step, 100, recipe) for step in range(101)]
    assert rates[:3] == pytest.approx([0.001, 0.002, 0.003])
    assert rates[10] == max(rates) == pytest.approx(0.01)
    assert rates[55] == pytest.approx(0.005)
    assert rates[100] == pytest.approx(0)


def test_the_scale_rises_from_clips_first_to_its_last():
    assert logit_scale(0, 11) == pytest.approx(1 / 0.07)
    assert logit_scale(10, 11) == pytest.approx(100)
    assert logit_scale(6, 11) / logit_scale(5, 11) == pytest.approx(7**0.1)


def final_loss(recipe):
    losses = []
    train(recipe, ShapesCorpus(recipe), progress=lambda *state: losses.append(state))
    step, steps, loss, speed = losses[-1]
    assert step == steps == recipe.epochs * recipe.images // recipe.batch_size
    assert speed > 0
    return loss


def test_training_learns(tiny_recipe):
    recipe = tiny_recipe.model_copy(update={"epochs": 10, "lr": 5e-3})
    assert final_loss(recipe) < 0.5 * final_loss(recipe.model_copy(update={"lr": 1e-9}))


def test_same_recipe_same_weights_and_the_global_generator_is_left_alone(tiny_recipe):
    before = torch.get_rng_state()
    first, _ = train(tiny_recipe, ShapesCorpus(tiny_recipe))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    again, _ = train(tiny_recipe, ShapesCorpus(tiny_recipe))
    assert first.logit_scale.exp().item() == pytest.approx(100)
    assert not first.training
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))


def test_a_step_on_a_gpu_waits_for_nothing_but_what_is_told_of_the_loss(tiny_recipe):
    with pretended() as device:
        model, _ = train(tiny_recipe, ShapesCorpus(tiny_recipe), device="cuda", progress=lambda *state: None)
    waited = device.waited("pretraining")
    steps = tiny_recipe.epochs * tiny_recipe.images // tiny_recipe.batch_size
    assert steps == 8
    assert waited.pop("contrastive.train: number read") < steps  # once a second, and at the end
    # Before the first step: the model, mean and deviation.
    assert sum(waited.values()) == len([*model.parameters(), *model.buffers()]) + 2
