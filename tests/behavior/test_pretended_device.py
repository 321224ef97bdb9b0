"""Whole runs on a GPU that is not there: every strategy, resumed runs, two processes, and what the host waits for."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.kills import left, without_times
from helpers.pretended_cuda import pretended
from helpers.pretended_runs import CASES, Runs
from helpers.tiny import TinyModel, tiny_dataset
from torch.nn import functional as F

from clsim.config.discovery import list_strategies
from clsim.data.core.images import DataSet, Images
from clsim.plugins import LossGuard, Progress, Rehearsal
from clsim.streams import fscil, incremental, upgrade
from clsim.streams.session import ResidentView
from clsim.training import Strategy

HERE = Path(__file__).parents[1]
PRECISIONS = ("fp32", "bf16", "fp16")
WITHOUT_DRAWS = ("cpe_clip", "zero_shot", "fine_tune", "lwf", "clip_procrustes", "clip_independent")
"""Cases that draw nothing on the device, so that each number is that of a CPU."""

REPLACED = {
    # How many images are of old classes, only the device knows.
    "feature_teacher.before_backward: size read": "step",
    "model_replacement._move: copy to the device": "session",
    "simplex._new_head: copy to the device": "session",
    "classifier._new_head: copy to the device": "session",
    "session_images.view_batches: copy to the device": "session",
    "simplex.fit_projection: solver": "session",
}
STORED = {"extract.compute_features: copy to the host": "session"}
"""Features of a frozen backbone are stored on the disk before a session uses them."""
ALLOWED: dict[str, dict[str, str]] = {
    "lwf": {"lwf._distillation_loss: copy to the device": "session"},
    "stationary replaced": REPLACED,
    "replay": REPLACED,
    **dict.fromkeys(("ncm", "teen", "ranpac", "joint"), STORED),
    # Which classes are learned, only the device knows.
    "tip_adapter": {**STORED, "tip_adapter._cache_logits: size read": "session"},
    "bimc": {**STORED, "bimc.scores: size read": "session", "prototypes.prototypes: size read": "session"},
    "fecam": {
        **STORED,
        "fecam.scores: size read": "session",  # distances are computed class by class
        "fecam.scores: number read": "session",
        "fecam.inverse_correlation: solver": "session",
    },
    "oca": {"embedding.classify: solver": "step"},  # the exponential that keeps a matrix orthogonal
}
"""By case, the places at which the host may wait within an epoch or an evaluation, and how often at most."""
SCALED = {"strategy.optimizer_step: number read": "step"}  # whether a gradient overflowed in fp16


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("runs"))


def without_operations(content):
    """Leave out the counts of operations, which a recorded pass on a GPU does not have."""
    if isinstance(content, dict):
        return {key: without_operations(value) for key, value in content.items() if not key.endswith("_flops")}
    return [without_operations(item) for item in content] if isinstance(content, list) else content


def test_there_is_a_case_of_every_strategy():
    assert {strategy for _, strategy, _ in CASES.values()} == set(list_strategies())


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", CASES)
def test_every_strategy_runs_and_waits_only_where_it_may(runs, case, precision):
    with pretended() as device:
        batches = runs.run(case, f"{case}-{precision}".replace(" ", "_"), precision)
    allowed = ALLOWED.get(case, {}) | (SCALED if precision == "fp16" else {})
    for phase, steps in (("training", len(batches)), ("evaluation", 20)):
        waited = device.waited(phase)
        assert set(waited) <= set(allowed), phase
        assert {place: times for place, times in waited.items() if allowed[place] == "step" and times > steps} == {}
    assert set(device.waited("between epochs")) <= {"progress._report: number read"}
    assert set(device.waited("projection")) <= {"text_projection._train: copy to the device"}  # once, all captions
    assert sum(device.waited("projection").values()) <= 1
    if case == "cpe_clip":
        assert device.graphs == 3  # one a session


@pytest.mark.slow
@pytest.mark.parametrize("case", WITHOUT_DRAWS)
def test_where_nothing_is_drawn_on_the_gpu_each_number_is_that_of_a_cpu(runs, case):
    runs.run(case, f"{case}-cpu", device="cpu")
    with pretended():
        runs.run(case, f"{case}-gpu")
    gpu, cpu = (runs.folder / f"{case}-{place}" for place in ("gpu", "cpu"))
    if CASES[case][2].get("epochs"):
        assert without_operations(left(gpu)) == without_operations(left(cpu))
    else:  # nothing is trained: there are no weights
        results = [without_times(json.loads((run / "results.json").read_text())) for run in (gpu, cpu)]
        assert without_operations(results[0]) == without_operations(results[1])


@pytest.mark.slow
@pytest.mark.parametrize("case", ["stationary", "cpe_clip", "replay", "oca"])
def test_a_run_goes_on_amid_a_session_as_if_nothing_had_happened(runs, case):
    whole, stopped = f"{case}-whole", f"{case}-stopped"
    with pretended():
        runs.run(case, whole)
    with pretended():
        runs.stop(case, stopped)
    with pretended():
        runs.run(case, stopped, resume=True)
    assert left(runs.folder / stopped) == left(runs.folder / whole)


@pytest.mark.slow
def test_a_run_saved_where_two_gpus_were_goes_on_where_one_is(runs):
    with pretended():
        runs.run("stationary", "one-gpu")
    with pretended(gpus=2):
        runs.stop("stationary", "two-gpus")
    with pretended():
        runs.run("stationary", "two-gpus", resume=True)
    assert left(runs.folder / "two-gpus") == left(runs.folder / "one-gpu")


@pytest.mark.slow
def test_two_processes_draw_the_same_batches_before_and_after_they_are_stopped(runs):
    def start(out, fate):
        torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
        call = [
            sys.executable,
            *torchrun,
            str(HERE / "helpers" / "pretended_runs.py"),
            str(runs.folder),
            "stationary",
            out,
            fate,
        ]
        paths = os.pathsep.join([str(HERE), *sys.path])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
        done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads((runs.folder / f"{out}-{fate}-{rank}.json").read_text()) for rank in range(2)]

    one, other = start("processes", "whole")
    assert one == other
    start("stopped", "stop")
    resumed, beside = start("stopped", "resume")
    assert resumed == beside == one[-len(resumed) :]
    assert 0 < len(resumed) < len(one)
    assert left(runs.folder / "stopped") == left(runs.folder / "processes")


class Brings(SupervisedPlugin):
    """Brings a loader of its own."""

    def __init__(self, loader):
        super().__init__()
        self.loader = loader

    def before_training_exp(self, strategy, **kwargs):
        strategy.dataloader = self.loader


def learner(**settings):
    torch.manual_seed(0)
    given = {"train_mb_size": 20, "train_epochs": 2, "device": "cuda", **settings}
    return Strategy(model=TinyModel(), optimizer=partial(torch.optim.SGD, lr=0.1), **given)


def small_stream(dataset=None):
    return fscil(dataset or tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})


@pytest.mark.parametrize("on_nan", ["skip", "rewind"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_step_is_left_out_and_the_next_is_taken(precision, on_nan):
    calls = []

    def criterion(outputs, labels):
        calls.append(1)
        return F.cross_entropy(outputs, labels) * (math.nan if len(calls) == 3 else 1.0)

    guard = LossGuard(on_nan)
    with pretended() as device:
        strategy = learner(plugins=[guard], criterion=criterion, precision=precision)
        strategy.train(small_stream().train_stream[0], eval_streams=[])
    assert (guard.skipped, guard.rewound) == ((1, 0) if on_nan == "skip" else (0, 1))
    assert bool(strategy.model.linear.weight.isfinite().all())
    reads = device.waited("training").get("loss_guard.before_update: number read", 0)
    assert reads == (len(calls) if on_nan == "skip" else 0)


def test_the_loss_that_ended_a_run_is_named_by_its_step_though_it_is_read_later():
    calls = []

    def criterion(outputs, labels):
        calls.append(1)
        return F.cross_entropy(outputs, labels) * (math.nan if len(calls) == 9 else 1.0)

    from clsim.utils.errors import RunFailed

    with pretended(), pytest.raises(RunFailed, match="the loss is nan in session 0, epoch 2, iteration 9 of"):
        learner(plugins=[LossGuard()], criterion=criterion, train_epochs=4).train(
            small_stream().train_stream[0], eval_streams=[]
        )
    assert len(calls) == 4 * 6  # fewer than are looked at together: it was looked at when the session ended


def test_a_loader_need_not_know_its_length():
    class Endless:
        def __iter__(self):
            yield from ([torch.rand(4, 3, 8, 8), torch.arange(4), torch.zeros(4, dtype=torch.long)] for _ in range(3))

    silent = SimpleNamespace(on_event=lambda event: None)
    with pretended():
        strategy = learner(plugins=[Brings(Endless()), Progress(silent)])
        strategy.train(small_stream().train_stream[0], eval_streams=[])
    assert strategy.clock.train_iterations == 2 * 3


STREAMS = {
    "fscil": small_stream,
    "incremental": lambda dataset: incremental(dataset, base_classes=4, ways=3),
    "upgrade": lambda dataset: upgrade(dataset, classes=[5, 10]),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_images_that_are_on_the_gpu_already_make_a_stream_and_are_not_moved_again(kind):
    plain = tiny_dataset()
    expected = [session.resident.indices.tolist() for session in STREAMS[kind](plain).train_stream]
    with pretended() as device:
        there = DataSet("tiny", *(images.to("cuda") for images in (plain.train, plain.test)))
        stream, rehearsal = STREAMS[kind](there), Rehearsal(3)
        with mock.patch.object(Images, "sha256", property(lambda images: pytest.fail("hashed, to be moved"))):
            strategy = learner(plugins=[rehearsal])
            strategy.train(stream.train_stream, eval_streams=[])
            strategy.eval(stream.test_stream)
        assert device.where(strategy.model.linear.weight) == 0
    assert [session.resident.indices.tolist() for session in stream.train_stream] == expected
    assert all(len(chosen) == 3 for chosen in rehearsal.chosen.values())


def test_indices_are_on_the_cpu_wherever_they_came_from():
    with pretended() as device:
        images = tiny_dataset().train.to("cuda")
        view = ResidentView(images, (images.labels == 3).nonzero().flatten())
        assert device.where(view.indices) is None
        assert view.labels.tolist() == [3] * 20


def test_a_pretended_device_raises_where_cuda_would():
    with pretended(gpus=2) as device:
        there = torch.arange(4.0, device="cuda")
        assert (there.device, (2 * there).device, there.cpu().device) == (
            torch.device("cuda:0"),
            torch.device("cuda:0"),
            torch.device("cpu"),
        )
        wrong = {
            "two devices": lambda: there + torch.ones(4),
            "at least two": lambda: there + torch.ones(4, device="cuda:1"),
            "indices should be": lambda: torch.ones(4)[there.long()],
            "can't convert": lambda: there.numpy(),
            "generator": lambda: torch.rand(2, device="cuda", generator=torch.Generator()),
            "invalid device": lambda: torch.ones(2, device="cuda:2"),
        }
        for said, call in wrong.items():
            with pytest.raises((RuntimeError, TypeError), match=said):
                call()
        with pytest.raises(RuntimeError, match="capturing"):
            torch.cuda.make_graphed_callables(lambda images: images[images > 1], (there,))
        torch.manual_seed(3)
        drawn = [torch.rand(3, device=name) for name in ("cpu", "cuda:0", "cuda:1")]
        assert device.where(drawn[2]) == 1
        state = torch.cuda.get_rng_state("cuda:0")
        again = torch.rand(2, device="cuda:0")
        torch.cuda.set_rng_state(state, "cuda:0")
        assert torch.equal(torch.rand(2, device="cuda:0"), again)
