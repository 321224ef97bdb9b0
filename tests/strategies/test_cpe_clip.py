import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import save_tiny_clip, tiny_dataset

from clsim.config.discovery import find_strategy
from clsim.config.user_code import load_strategy
from clsim.metrics.class_accuracy import ClassAccuracy
from clsim.plugins import NewClassGradientScale
from clsim.streams import fscil


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_tiny_clip(tmp_path_factory.mktemp("clip") / "tiny.safetensors")


def stream():
    return fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})


def build(checkpoint, name="cpe_clip", **settings):
    torch.manual_seed(0)
    return load_strategy(find_strategy(name))(stream(), pretrained=checkpoint, **settings)


class Steps(SupervisedPlugin):
    """Writes down every step's rate, batch, and gradient before the regulariser's turn is over."""

    def __init__(self):
        super().__init__()
        self.rates, self.batches, self.losses = [], [], []

    def before_update(self, strategy, **kwargs):
        self.rates.append(round(strategy.optimizer.param_groups[0]["lr"], 5))
        self.batches.append(len(strategy.mb_y))
        self.losses.append(float(strategy.loss.detach()))


def test_published_settings_reach_the_optimiser(checkpoint):
    strategy, steps = build(checkpoint, depth=3), Steps()
    strategy.plugins.insert(-3, steps)
    strategy.train(stream().train_stream[:2], eval_streams=[])
    rates = [0.001, 0.00298, 0.00496, 0.00694, 0.00892]
    base = [rate for rate in rates for _ in range(4)]  # 120 images by 32
    few = [rate for rate in rates for _ in range(3)]  # 10 images by 4
    assert steps.rates == base + few
    assert steps.batches == [32, 32, 32, 24] * 5 + [4, 4, 2] * 5
    group = strategy.optimizer.param_groups[0]
    assert (group["momentum"], group["weight_decay"]) == (0.9, 1e-5)
    assert sum(p.numel() for p in group["params"]) == 3 * 2 * 16 + 16 * 24 + 24


def test_per_step_schedule_is_offered(checkpoint):
    strategy, steps = build(checkpoint, depth=3, schedule="per_step", epochs=1), Steps()
    strategy.plugins.insert(-3, steps)
    strategy.train(stream().train_stream[0], eval_streams=[])
    assert steps.rates == [0.001, 0.00298, 0.00496, 0.00694]


def test_regulariser_can_be_left_out(checkpoint):
    assert any(isinstance(p, NewClassGradientScale) for p in build(checkpoint, depth=3).plugins)
    assert not any(isinstance(p, NewClassGradientScale) for p in build(checkpoint, depth=3, regularize=False).plugins)


def test_the_loss_falls_and_nothing_but_prompts_moves(checkpoint):
    strategy, steps = build(checkpoint, depth=3, base_epochs=10, max_lr=0.02, min_lr=0.01), Steps()
    strategy.plugins.insert(-3, steps)
    frozen = {name: tensor.clone() for name, tensor in strategy.model.clip.state_dict().items()}
    prompts = strategy.model.prompts.detach().clone()
    strategy.train(stream().train_stream[0], eval_streams=[])
    assert sum(steps.losses[-4:]) < 0.8 * sum(steps.losses[:4])
    strategy.train(stream().train_stream[1:], eval_streams=[])
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in strategy.model.clip.state_dict().items())
    assert not torch.equal(strategy.model.prompts, prompts)


def test_zero_shot_trains_nothing(checkpoint):
    strategy = build(checkpoint, "zero_shot")
    metric = ClassAccuracy(10)
    strategy.evaluator.metrics.append(metric)
    strategy.train(stream().train_stream, eval_streams=[])
    strategy.eval(stream().test_stream)
    assert strategy.images_trained == 0
    assert not any(p.requires_grad for p in strategy.model.parameters())
    clip = strategy.model
    with torch.no_grad():
        texts = clip.clip.encode_text(
            torch.nn.functional.pad(clip.tokens, (0, 32 - clip.tokens.shape[1])), normalize=True
        )
        pixels = stream().dataset.test.pixels / 255
        nearest = (clip.clip.encode_image(clip.preprocess(pixels), normalize=True) @ texts.T).argmax(1)
    assert metric.counts.correct.sum() == (nearest == stream().dataset.test.labels).sum()
