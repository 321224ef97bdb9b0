"""Nothing in an epoch waits for the device: no strategy reads a tensor back, or asks how large a result became."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.kills import few_captions
from helpers.pretended_cuda import pretended
from torch import Tensor

from clsim.config import load_scenario
from clsim.data import load_captions
from clsim.experiment import resolve
from clsim.experiment.build import prepare
from clsim.experiment.evaluation import SessionEvaluator
from clsim.losses import exclude_classes

STRATEGIES = [
    ("shapes_fscil", "cpe_clip"),
    ("shapes_fscil", "fine_tune"),
    ("shapes_fscil", "stationary"),
    ("shapes_fscil", "lwf"),
    ("shapes_fscil", "feature_distillation"),
    ("shapes_replacement", "replay"),
    ("shapes_replacement", "stationary"),
    ("shapes_upgrade", "oca"),
    ("shapes_upgrade", "bct"),
    ("shapes_upgrade", "independent"),
    ("shapes_text_upgrade", "xbt"),
]


ALLOWED = {
    "embedding.classify: solver",  # of oca: the exponential that keeps a matrix orthogonal
    "lwf._distillation_loss: copy to the device",  # of the old classes' ids, once a session
}


class Watch(SupervisedPlugin):
    """Ends a session after three steps."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.steps = 0

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.steps += 1
        if self.steps == 3:
            strategy.stop_training()

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        strategy.stop_training()


@pytest.mark.parametrize(("scenario", "strategy"), STRATEGIES)
def test_no_strategy_waits_within_an_epoch(scenario, strategy, tmp_path, monkeypatch):
    monkeypatch.setattr(resolve, "load_captions", partial(few_captions, load_captions))
    overrides = {} if scenario != "shapes_text_upgrade" else {"strategy.text_steps": 2}
    if scenario == "shapes_replacement":
        overrides = {"stream.replacements": []}
    loaded = load_scenario(scenario, overrides, strategy=strategy)
    with pretended() as device:
        prepared = prepare(loaded, None, None, None, "cuda", strict=True)
        learner, watch = prepared.strategy, Watch()
        SessionEvaluator.of(prepared, tmp_path).attach(learner)
        learner.plugins.insert(0, watch)
        for session in prepared.stream.train_stream[:2]:
            learner.train(session, eval_streams=[])
            # The first model of a text upgrade is loaded, and not trained.
            assert watch.steps > 0 or (scenario == "shapes_text_upgrade" and session.current_experience == 0)
            # What is measured after a session is not looked at here.
            learner.evaluator.metrics[:] = [m for m in learner.evaluator.metrics if not hasattr(m, "matrix")]
    assert set(device.waited("training", "between epochs")) - ALLOWED == set()


WAITING: dict[str, Callable[[Tensor], object]] = {
    "a number": lambda tensor: tensor.sum().item(),
    "a float": lambda tensor: float(tensor[0]),
    "a decision": lambda tensor: bool(tensor[0] > 1),
    "a list": lambda tensor: tensor.tolist(),
    "a mask": lambda tensor: tensor[tensor > 1],
    "places": lambda tensor: tensor.nonzero(),
    "different ones": lambda tensor: tensor.unique(),
    "to the CPU": lambda tensor: tensor.to("cpu"),
    "from the CPU": lambda tensor: torch.ones(4).to(tensor.device),
    "a tensor made": lambda tensor: torch.tensor([1.0, 2.0], device="cuda"),
    "a list as index": lambda tensor: tensor[[0, 2]],
    "a number put at indices": lambda tensor: tensor.index_put_((torch.arange(2, device="cuda"),), torch.tensor(1.0)),
    "a number put at a place": lambda tensor: tensor.__setitem__(1, 5.0),
    "a number put at a list of places": lambda tensor: exclude_by_index(tensor),
    "an exponential": lambda tensor: torch.matrix_exp(tensor.view(2, 2)),
}
GOING_ON: dict[str, Callable[[Tensor], object]] = {
    "a sum": lambda tensor: tensor.sum(),
    "from the CPU without waiting": lambda tensor: torch.ones(4).to(tensor.device, non_blocking=True),
    "a number put under a mask": lambda tensor: tensor.__setitem__(tensor > 1, 0.0),
    "a mask filled": lambda tensor: tensor.masked_fill(tensor > 1, 0.0),
    "excluded classes": lambda tensor: exclude_classes(tensor[None], torch.arange(2, device="cuda")),
    "a slice": lambda tensor: tensor[1:],
}


def exclude_by_index(tensor: Tensor) -> None:
    tensor[torch.arange(2, device="cuda")] = 0.0


@pytest.mark.parametrize("what", WAITING)
def test_the_watch_sees_what_waits(what):
    """So that the test above cannot pass by looking away."""
    with pretended() as device:
        tensor = torch.arange(4.0).to("cuda", non_blocking=True)
        assert not device.waits
        WAITING[what](tensor)
    assert sum(device.waits.values()) >= 1


@pytest.mark.parametrize("what", GOING_ON)
def test_the_watch_sees_no_more_than_that(what):
    with pretended() as device:
        tensor = torch.arange(4.0).to("cuda", non_blocking=True)
        GOING_ON[what](tensor)
    assert not device.waits
