"""Only those who listen are called, and metrics emit as Avalanche has them emit."""

import torch
from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import MetricValue
from avalanche.evaluation.metrics import accuracy_metrics
from avalanche.logging import BaseLogger
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from helpers.tiny import TinyModel, tiny_dataset
from torch import nn

from clsim.streams import fscil
from clsim.training import Strategy
from clsim.training.callbacks import listeners


class Steps(PluginMetric):
    """Emits a number each step, and two at a time every other."""

    def __init__(self):
        super().__init__()
        self.steps = 0

    def reset(self):
        self.steps = 0

    def result(self):
        return self.steps

    def after_training_iteration(self, strategy):
        self.steps += 1
        value = MetricValue(self, "steps", self.steps, self.steps)
        return [value, MetricValue(self, "even", self.steps, self.steps)] if self.steps % 2 == 0 else value


class Seen(BaseLogger):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.values = []

    def log_single_metric(self, name, value, x_plot):
        self.values.append((name, value))


class Listening(SupervisedPlugin):
    def before_forward(self, strategy, **kwargs):
        """Does nothing, but is asked."""


def test_an_idle_plugin_is_not_called():
    evaluator = EvaluationPlugin(*accuracy_metrics(epoch=True), loggers=[Seen()])
    plugins = [SupervisedPlugin(), Listening(), evaluator]
    assert len(listeners(plugins, "before_forward")) == 1
    assert len(listeners(plugins, "after_training_iteration")) == 1
    assert listeners(plugins, "before_update") == []


def test_an_instances_own_callback_is_heard():
    plugin, calls = SupervisedPlugin(), []
    plugin.before_update = lambda strategy, **kwargs: calls.append(strategy)
    for call in listeners([plugin], "before_update"):
        call("strategy")
    assert calls == ["strategy"]


def test_what_metrics_emit_reaches_loggers_and_results_as_in_avalanche():
    emitted = {}
    for template in (Strategy, Naive):
        torch.manual_seed(0)
        model, seen = TinyModel(), Seen()
        evaluator = EvaluationPlugin(Steps(), *accuracy_metrics(minibatch=True, epoch=True), loggers=[seen])
        learner = template(
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=200,  # one batch a session, whose order does not matter
            train_epochs=4,
            evaluator=evaluator,
        )
        stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
        learner.train(stream.train_stream[0], eval_streams=[])
        emitted[template] = (seen.values, evaluator.get_last_metrics(), evaluator.get_all_metrics())
    assert len(emitted[Naive][0]) > 8
    assert emitted[Strategy] == emitted[Naive]


def test_a_criterion_that_keeps_its_value_for_the_gradient_survives_a_plugin_that_adds_in_place():
    """The gradient of a square root needs the root: adding to it in place would be an error."""

    class Penalty(SupervisedPlugin):
        def before_backward(self, strategy, **kwargs):
            strategy.loss += 1.0

        def after_training_iteration(self, strategy, **kwargs):
            losses.append(float(strategy.loss.detach()))

    losses: list[float] = []
    learner = Strategy(
        model=TinyModel(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        criterion=lambda outputs, labels: nn.functional.cross_entropy(outputs, labels).sqrt(),
        plugins=[Penalty()],
    )
    learner.train(fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0}).train_stream[0])
    assert losses
    assert min(losses) > 1.0


def test_a_loss_added_before_the_criterion_counts_in_its_own_step_only():
    losses = []

    class Early(SupervisedPlugin):
        def before_forward(self, strategy, **kwargs):
            strategy.loss += 5.0

        def after_training_iteration(self, strategy, **kwargs):
            losses.append(float(strategy.loss.detach()))

    learner = Strategy(
        model=TinyModel(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0),
        plugins=[Early()],
        train_mb_size=200,
        train_epochs=3,
    )
    learner.train(fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0}).train_stream[0])
    assert losses[0] > 5.0
    assert max(losses) - min(losses) < 1e-4


def run_both(evaluator_of, plugins=lambda: []):
    """What reaches a logger in either template."""
    logged = {}
    for template in (Strategy, Naive):
        torch.manual_seed(0)
        model, seen = TinyModel(), Seen()
        learner = template(
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=200,
            train_epochs=4,
            plugins=plugins(),
            evaluator=evaluator_of(seen),
        )
        stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
        learner.train(stream.train_stream[0], eval_streams=[])
        logged[template] = seen.values
    return logged


def test_an_evaluator_that_is_switched_off_is_not_asked():
    def off(seen):
        evaluator = EvaluationPlugin(Steps(), loggers=[seen])
        evaluator.active = False
        return evaluator

    logged = run_both(off)
    assert logged[Strategy] == logged[Naive] == []


def test_what_a_plugin_publishes_is_logged():
    class Publishes(SupervisedPlugin):
        def after_training_iteration(self, strategy, **kwargs):
            strategy.evaluator.publish_metric_value(MetricValue(None, "mine", 1.0, 0))

    logged = run_both(lambda seen: EvaluationPlugin(Steps(), loggers=[seen]), lambda: [Publishes()])
    assert ("mine", 1.0) in logged[Naive]
    assert logged[Strategy] == logged[Naive]


def test_an_evaluator_of_ones_own_keeps_its_callbacks():
    class Counts(EvaluationPlugin):
        steps = 0

        def after_training_iteration(self, strategy, **kwargs):
            type(self).steps += 1
            return self._update_metrics_and_loggers(strategy, "after_training_iteration")

    logged = run_both(lambda seen: Counts(Steps(), loggers=[seen]))
    assert Counts.steps == 8  # four in each template
    assert logged[Strategy] == logged[Naive]
