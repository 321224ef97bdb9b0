from functools import partial
from types import SimpleNamespace

import pytest
import torch
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin
from helpers.tiny import TinyModel, tiny_dataset

from clsim.metrics import brier_score, expected_calibration_error, negative_log_likelihood
from clsim.metrics.calibration import Calibration
from clsim.metrics.class_accuracy import ClassAccuracy
from clsim.streams import fscil
from clsim.training import Strategy


@pytest.mark.parametrize("template", [Strategy, Naive])
def test_plugin_equals_the_functions_on_all_images_and_leaves_accuracy_alone(template):
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    metric, accuracy, alone, model = Calibration(), ClassAccuracy(10), ClassAccuracy(10), TinyModel()
    optimizer = partial(torch.optim.SGD, lr=0.1)
    strategy = template(
        model=model,
        optimizer=optimizer if template is Strategy else optimizer(model.parameters()),
        train_mb_size=10,
        eval_mb_size=7,
        plugins=[],
        evaluator=EvaluationPlugin(accuracy, metric),
    )
    strategy.train(stream.train_stream[0], eval_streams=[])
    told = strategy.eval(stream.test_stream[:2])
    items = [(model(image[None])[0], label) for s in stream.test_stream[:2] for image, label, _ in s.dataset]
    logits, labels = torch.stack([row for row, _ in items]), [label for _, label in items]
    classes = range(8)  # of ten: the last session has not come
    expected = {
        "ece": expected_calibration_error(logits, labels, classes=classes),
        "nll": negative_log_likelihood(logits, labels, classes=classes),
        "brier": brier_score(logits, labels, classes=classes),
    }
    assert metric.result() == pytest.approx(expected, abs=1e-5)
    assert negative_log_likelihood(logits, labels) > expected["nll"] + 1e-3
    assert {name: told[f"clsim/{name}"] for name in expected} == metric.result()
    strategy.evaluator.metrics = [alone]
    strategy.eval(stream.test_stream[:2])
    assert alone.counts.correct.equal(accuracy.counts.correct)


class Evaluated:
    """What the metric sees of a strategy."""

    clock = SimpleNamespace(train_iterations=0)

    def __init__(self, outputs, labels, classes=(0, 1)):
        self.mb_output, self.mb_y = torch.tensor(outputs), torch.tensor(labels)
        self.current_eval_stream = [SimpleNamespace(classes_in_this_experience={label}) for label in classes]


def evaluated(*batches):
    metric = Calibration()
    metric.before_eval(batches[0])
    for batch in batches:
        metric.after_eval_iteration(batch)
    metric.after_eval(batches[0])
    return metric.result()


def test_a_head_that_grows_has_fewer_columns_than_classes():
    assert evaluated(Evaluated([[0.0, 0.0]], [1], classes=(0, 1, 5)))["brier"] == 0.5


def test_a_new_evaluation_forgets_the_last_one():
    metric, first, second = Calibration(), Evaluated([[0.0, 0.0]], [1]), Evaluated([[500.0, 0.0]], [0])
    for batch in (first, second):
        metric.before_eval(batch)
        metric.after_eval_iteration(batch)
        metric.after_eval(batch)
    assert metric.result() == {"ece": 0.0, "nll": 0.0, "brier": 0.0}
    assert metric.after_eval(second) is None


def test_figures_that_are_not_finite_are_unknown():
    assert evaluated(Evaluated([[0.0, -float("inf")]], [1])) == {"ece": 1.0, "nll": None, "brier": 2.0}
    assert evaluated(Evaluated([[0.0, float("nan")]], [1])) == {"ece": None, "nll": None, "brier": None}


def test_a_batch_waits_for_nothing(monkeypatch):
    metric, batch = Calibration(), Evaluated([[0.0, 1.0, 2.0]], [1])
    metric.before_eval(batch)

    def read(*args):
        raise AssertionError("the host waits for the device")

    with monkeypatch.context() as patch:
        for name in ("__bool__", "__int__", "__float__", "item", "tolist", "cpu", "nonzero"):
            patch.setattr(torch.Tensor, name, read)
        metric.after_eval_iteration(batch)
        metric.after_eval_iteration(batch)
    metric.after_eval(batch)
    assert metric.result()["nll"] == pytest.approx(0.31326, abs=1e-5)
