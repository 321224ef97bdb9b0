from functools import partial
from types import SimpleNamespace

import pytest
import torch
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin
from helpers.errors import refused
from helpers.tiny import TinyModel, tiny_dataset

from clsim.metrics.class_accuracy import ClassAccuracy, ClassCounts, count_correct
from clsim.streams import fscil
from clsim.training import Strategy
from clsim.utils.errors import NotFinite


def test_counts_by_hand():
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [5.0, 0.0, 1.0]])
    correct, total = count_correct(logits.argmax(dim=1), torch.tensor([0, 1, 1, 0]), 3)
    assert correct.tolist() == [2, 1, 0]
    assert total.tolist() == [2, 2, 0]


def test_accuracy_of_some_classes_of_none_and_of_all():
    counts = ClassCounts(torch.tensor([2, 1, 0, 3]), torch.tensor([2, 2, 0, 6]))
    assert counts.accuracy() == pytest.approx(0.6)
    assert counts.accuracy([1, 0]) == pytest.approx(0.75)
    assert counts.accuracy([2]) is None
    assert counts.accuracy([]) is None
    assert counts.accuracy_by_block([(0, 1), (3,)]) == pytest.approx([0.75, 0.5])
    assert counts.accuracy_by_block([(0, 1), (2,), ()]) == [0.75, None, None]


@pytest.mark.parametrize("template", [Strategy, Naive])
def test_plugin_equals_a_plain_loop_over_the_items(template):
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    metric, model = ClassAccuracy(10), TinyModel()
    optimizer = partial(torch.optim.SGD, lr=0.1)
    strategy = template(
        model=model,
        optimizer=optimizer if template is Strategy else optimizer(model.parameters()),
        train_mb_size=10,
        eval_mb_size=7,
        plugins=[],
        evaluator=EvaluationPlugin(metric),
    )
    strategy.train(stream.train_stream[0], eval_streams=[])
    told = strategy.eval(stream.test_stream[:2])
    right, answers = torch.zeros(10, dtype=torch.long), list[tuple[int, int]]()
    for session in stream.test_stream[:2]:
        for image, label, _ in session.dataset:
            answers.append((label, int(model(image[None]).argmax())))
            right[label] += int(answers[-1][1] == label)
    assert metric.counts.correct.tolist() == right.tolist()
    assert metric.counts.total.tolist() == [10] * 8 + [0, 0]
    assert list(zip(metric.labels.tolist(), metric.predictions.tolist(), strict=True)) == answers
    assert told["clsim/accuracy"] == pytest.approx(right.sum().item() / 80)
    strategy.eval(stream.test_stream[1:2])
    assert metric.counts.total.tolist() == [0] * 6 + [10, 10, 0, 0]


class Evaluated:
    """What the metric sees of a strategy."""

    clock = SimpleNamespace(train_iterations=0)

    def __init__(self, outputs, labels):
        self.mb_output, self.mb_y = torch.tensor(outputs), torch.tensor(labels)


@pytest.mark.parametrize("broken", [[float("nan"), 1.0], [1.0, float("nan")], [1.0, float("inf")], [-float("inf")] * 2])
def test_outputs_that_are_not_finite_are_no_answer(broken):
    metric = ClassAccuracy(2)
    metric.before_eval(None)
    metric.after_eval_iteration(Evaluated([[0.0, 1.0], broken], [1, 0]))
    metric.after_eval_iteration(Evaluated([[0.0, 1.0]], [1]))
    with refused(NotFinite, names=("1 of 3",)):
        metric.after_eval(Evaluated([[0.0, 1.0]], [1]))


def test_minus_infinity_excludes_a_class_and_is_fine():
    metric = ClassAccuracy(2)
    metric.before_eval(None)
    evaluated = Evaluated([[-float("inf"), 1.0], [0.0, -float("inf")]], [1, 1])
    metric.after_eval_iteration(evaluated)
    metric.after_eval(evaluated)
    assert metric.counts.accuracy() == 0.5


def test_a_batch_waits_for_nothing(monkeypatch):
    metric, evaluated = ClassAccuracy(2), Evaluated([[0.0, float("nan")]], [1])
    metric.before_eval(None)

    def read(*args):
        raise AssertionError("the host waits for the device")

    with monkeypatch.context() as patch:
        for name in ("__bool__", "__int__", "__float__", "item", "tolist", "cpu", "nonzero"):
            patch.setattr(torch.Tensor, name, read)
        metric.after_eval_iteration(evaluated)
        metric.after_eval_iteration(evaluated)
    with refused(NotFinite, names=("2 of 2",)):
        metric.after_eval(evaluated)
