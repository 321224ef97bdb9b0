"""Loss and accuracy of an epoch equal the sums over its steps."""

import pytest
import torch
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from helpers.tiny import TinyModel, tiny_dataset
from torch import nn

from clsim.metrics import training_curve
from clsim.metrics.training_curve import TrainingCurve
from clsim.streams import fscil
from clsim.training import Strategy


class StepByStep(SupervisedPlugin):
    """What the curve says, the slow way."""

    def __init__(self):
        super().__init__()
        self.loss, self.accuracy = [], []

    def before_training_epoch(self, strategy, **kwargs):
        self._loss = self._right = self._images = 0.0

    def after_training_iteration(self, strategy, **kwargs):
        size = len(strategy.mb_y)
        self._loss += strategy.loss.item() * size
        self._right += (strategy.mb_output.argmax(dim=1) == strategy.mb_y).sum().item()
        self._images += size

    def after_training_epoch(self, strategy, **kwargs):
        self.loss.append(self._loss / self._images)
        self.accuracy.append(self._right / self._images)


class Penalty(SupervisedPlugin):
    """A second term of the loss, of which the curve must know."""

    def before_backward(self, strategy, **kwargs):
        strategy.loss += 0.1 * sum(parameter.square().sum() for parameter in strategy.model.parameters())


def train(template, metric, plain, **settings):
    torch.manual_seed(0)
    model = TinyModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    learner = template(
        model=model,
        optimizer=optimizer,
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=32,  # 120 images: the last batch is smaller
        train_epochs=3,
        plugins=[Penalty(), plain],
        evaluator=EvaluationPlugin(metric),
        **settings,
    )
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    learner.train(stream.train_stream[0], eval_streams=[])
    return learner, stream


@pytest.mark.parametrize("template", [Strategy, Naive])
@pytest.mark.parametrize("buffered", [1, 256], ids=["summed at each step", "summed once"])
def test_equals_the_sums_over_steps(template, buffered, monkeypatch):
    monkeypatch.setattr(training_curve, "BUFFERED", buffered)
    curve, plain = TrainingCurve(), StepByStep()
    train(template, curve, plain)
    assert len(curve.result()["loss"]) == 3
    assert curve.result()["loss"] == pytest.approx(plain.loss, rel=1e-6)
    assert curve.result()["accuracy"] == pytest.approx(plain.accuracy, abs=1e-12)
    assert plain.loss[2] < plain.loss[0]


def test_each_session_starts_anew():
    curve = TrainingCurve()
    learner, stream = train(Strategy, curve, StepByStep())
    first = curve.result()
    learner.train(stream.train_stream[1], eval_streams=[])
    assert len(curve.result()["loss"]) == len(first["loss"]) == 3
    assert curve.result()["loss"] != first["loss"]


def test_without_logits_there_is_a_loss_and_no_accuracy():
    class Several(SupervisedPlugin):
        def after_forward(self, strategy, **kwargs):
            strategy.mb_output = (strategy.mb_output, None)

        def before_backward(self, strategy, **kwargs):
            strategy.mb_output = (strategy.mb_output[0],)

    torch.manual_seed(0)
    curve = TrainingCurve()
    learner = Strategy(
        model=TinyModel(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        criterion=lambda outputs, labels: nn.functional.cross_entropy(outputs[0], labels),
        plugins=[Several()],
        metrics=[curve],
    )
    learner.train(fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0}).train_stream[0])
    assert len(curve.result()["loss"]) == 1
    assert curve.result()["accuracy"] == []


def test_soft_labels_have_a_loss_and_no_accuracy():
    class Soft(SupervisedPlugin):
        def before_training_iteration(self, strategy, **kwargs):
            strategy.mbatch[1] = nn.functional.one_hot(strategy.mb_y, 10).float()

    torch.manual_seed(0)
    curve = TrainingCurve()
    learner = Strategy(
        model=TinyModel(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        plugins=[Soft()],
        metrics=[curve],
    )
    learner.train(fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0}).train_stream[0])
    assert len(curve.result()["loss"]) == 1
    assert curve.result()["accuracy"] == []
