"""The machine's limits, and the share of them that a figure reaches."""

import pytest

from clsim.cli.benchmarks import machine as measuring
from clsim.cli.benchmarks.machine import Machine, Work, measure_machine
from clsim.cli.benchmarks.result import BenchResult, Line
from clsim.cli.benchmarks.table import limits

MACHINE = Machine("a machine", {"fp32": 100.0, "bf16": 400.0}, 10.0)


@pytest.mark.parametrize(
    ("work", "precision", "seconds"),
    [
        (Work(200.0), "fp32", 2.0),
        (Work(200.0), "bf16", 0.5),
        (Work(200.0, bytes=30.0), "fp32", 3.0),  # traffic takes longer than the products
        (Work(400.0, bytes=30.0), "fp32", 4.0),
    ],
)
def test_the_longer_of_products_and_traffic_is_the_limit(work, precision, seconds):
    assert MACHINE.seconds(work, precision) == seconds


def test_share_of_the_limit():
    assert Line("a step", 4.0, "s", 1.0).share == 0.25
    assert Line("a ratio", 4.0, "times").share is None


def test_one_object_holds_figures_work_and_limits():
    told = BenchResult("loop", "a step", {"bare_us": 1.0}).to_dict(MACHINE)
    assert told["bare_us"] == 1.0
    assert told["benchmark"] == "loop"
    assert told["machine"]["flops_per_second"] == {"fp32": 100.0, "bf16": 400.0}


@pytest.mark.slow
def test_this_machine_can_do_something():
    machine = measure_machine()
    assert machine.flops["fp32"] > 1e8
    assert machine.bytes > 1e8
    assert "threads" in machine.device


def test_an_emulated_precision_is_not_measured_and_the_table_says_so(monkeypatch):
    monkeypatch.setattr(measuring, "COPIED", 1 << 16)
    monkeypatch.setattr(measuring, "is_emulated", lambda precision, device: precision == "bf16")
    machine = measure_machine()
    assert list(machine.flops) == ["fp32"]
    assert limits(machine).endswith("bf16 emulated and not measured")
    assert "emulated" not in limits(MACHINE)
