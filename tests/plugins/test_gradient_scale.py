from functools import partial

import pytest
import torch
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin
from helpers.tiny import TinyModel, tiny_dataset

from clsim.plugins import NewClassGradientScale
from clsim.plugins.gradient_scale import new_class_fraction
from clsim.streams import fscil
from clsim.training import Strategy


def test_published_factors_of_cifar_and_cub():
    cifar = [new_class_fraction(range(60 + 5 * t - 5, 60 + 5 * t), range(60 + 5 * t)) for t in range(1, 9)]
    assert cifar == pytest.approx([5 / 65, 5 / 70, 5 / 75, 5 / 80, 5 / 85, 5 / 90, 5 / 95, 5 / 100])
    assert cifar[0] == pytest.approx(0.0769, abs=5e-5)
    assert new_class_fraction(range(100, 110), range(110)) == pytest.approx(0.0909, abs=5e-5)
    assert new_class_fraction(range(60), range(60)) == 1.0


class Gradients(NewClassGradientScale):
    def __init__(self):
        super().__init__()
        self.ratios = {}

    def before_update(self, strategy, **kwargs):
        before = strategy.model.linear.weight.grad.clone()
        super().before_update(strategy, **kwargs)
        after = strategy.model.linear.weight.grad
        largest = before.abs().argmax()
        ratio = (after.flatten()[largest] / before.flatten()[largest]).item()
        self.ratios.setdefault(strategy.experience.current_experience, ratio)


@pytest.mark.parametrize("template", [Strategy, Naive])
def test_gradients_shrink_in_clsim_and_in_stock_avalanche(template):
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    plugin, model = Gradients(), TinyModel()
    optimizer = partial(torch.optim.SGD, lr=0.1)
    strategy = template(
        model=model,
        optimizer=optimizer if template is Strategy else optimizer(model.parameters()),
        train_mb_size=10,
        train_epochs=1,
        plugins=[plugin],
        evaluator=EvaluationPlugin(),
    )
    strategy.train(stream.train_stream, eval_streams=[])
    assert plugin.ratios == pytest.approx({0: 1.0, 1: 2 / 8, 2: 2 / 10})
