"""Nothing in an epoch waits for the device: no strategy reads a tensor back, or asks how large a result became."""

from __future__ import annotations

import traceback
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from kills import few_captions
from torch.overrides import TorchFunctionMode

from clsim.config import load_scenario
from clsim.data import load_captions
from clsim.measured import Measured
from clsim.prepare import prepare

READS = {"item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "__index__", "__array__", "__contains__"}
SIZED = {"nonzero", "unique", "masked_select", "argwhere", "bincount", "unique_consecutive", "equal", "allclose"}
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


class Waits(TorchFunctionMode):
    """Writes down each call that would wait for a GPU, unless an optimiser made it.

    Optimisers keep their step counts on the CPU, whatever the parameters' device.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        masked = name in ("__getitem__", "__setitem__") and _has_mask(args[1])
        given = {**(kwargs or {}), **dict(enumerate(args[1:]))}
        # To the CPU by name, or to a device without leave to go on meanwhile.
        to_device = any(isinstance(value, torch.device) for value in given.values())
        moved = name == "to" and ("cpu" in list(given.values()) or (to_device and not given.get("non_blocking")))
        moved |= name == "tensor" and "device" in given
        scalar = name == "where" and len(args) == 1
        if name in READS | SIZED or masked or moved or scalar:
            calls = [f for f in traceback.extract_stack()[:-1] if "torch/overrides" not in f.filename]
            if "torch/optim" not in calls[-1].filename:
                self.found.append(f"{name} in {Path(calls[-1].filename).name}:{calls[-1].lineno}")
        return func(*args, **(kwargs or {}))


def _has_mask(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in parts)


class Watch(SupervisedPlugin):
    """Watches what happens between the beginning of an epoch and its end, and ends it after three steps."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = Waits()
        self.steps = 0

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.steps = 0

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        if self.steps == 0:
            self.waits.__enter__()

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.steps += 1
        if self.steps == 3:
            strategy.stop_training()

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self.waits.__exit__(None, None, None)
        strategy.stop_training()


@pytest.mark.parametrize(("scenario", "strategy"), STRATEGIES)
def test_no_strategy_waits_within_an_epoch(scenario, strategy, tmp_path, monkeypatch):
    monkeypatch.setattr("clsim.prepare.load_captions", partial(few_captions, load_captions))
    overrides = {} if scenario != "shapes_text_upgrade" else {"strategy.text_steps": 2}
    if scenario == "shapes_replacement":
        overrides = {"stream.replacements": []}
    loaded = load_scenario(scenario, overrides, strategy=strategy)
    prepared = prepare(loaded, None, None, None, "cpu", strict=True)
    learner, watch = prepared.strategy, Watch()
    Measured.of(prepared, tmp_path).attach(learner)
    learner.plugins.insert(0, watch)
    for session in prepared.stream.train_stream[:2]:
        learner.train(session, eval_streams=[])
        # The first model of a text upgrade is loaded, and not trained.
        assert watch.steps > 0 or (scenario == "shapes_text_upgrade" and session.current_experience == 0)
        # What is measured after a session is not looked at here.
        learner.evaluator.metrics[:] = [m for m in learner.evaluator.metrics if not hasattr(m, "matrix")]
    # On the CPU, and there only, captions are cut to the longest of a batch.
    assert [found for found in watch.waits.found if "image_text.py" not in found] == []


def test_the_watch_sees_what_waits():
    """So that the test above cannot pass by looking away."""
    tensor = torch.arange(4.0)
    with Waits() as waits:
        tensor.sum().item()
        float(tensor[0])
        bool(tensor[0] > 1)
        tensor[tensor > 1]
        tensor.nonzero()
        tensor.to("cpu")
        tensor.tolist()
    assert [found.split()[0] for found in waits.found] == [
        "item",
        "__float__",
        "__bool__",
        "__getitem__",
        "nonzero",
        "to",
        "tolist",
    ]
