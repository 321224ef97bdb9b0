import pytest
import torch
from helpers.errors import refused

from clsim.utils.errors import NotFinite, RunFailed
from clsim.utils.hints import batch_settings, explained, is_out_of_memory


def fails(error):
    with explained("training in session 3", 128, "strategy.batch_size", lambda: "It is saved."):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ],
)
def test_memory_that_runs_out_names_batch_and_setting(error):
    assert is_out_of_memory(error)
    where = "training in session 3"
    with refused(RunFailed, names=("out of memory", where, "128 images", "strategy.batch_size", "It is saved.")):
        fails(error)


def test_memory_of_the_cpu_that_really_runs_out():
    with refused(RunFailed, names=("out of memory", "training")), explained("training", 1, "x", str):
        torch.empty(1 << 60)


def test_a_dead_worker_is_named():
    with refused(RunFailed, names=("training in session 3", "DataLoader worker (pid(s) 7)")):
        fails(RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"))


def test_other_failures_pass():
    with pytest.raises(RuntimeError, match="another"):
        fails(RuntimeError("another"))
    with pytest.raises(ValueError, match="value"):
        fails(ValueError("value"))


def test_the_settings_of_a_batch():
    settings = {"base_batch_size": 128, "batch_size": 4, "text_batch_size": 128, "epochs": 128}
    assert batch_settings(settings, 128) == "strategy.base_batch_size or strategy.text_batch_size"
    assert batch_settings(settings, 7) == "the batch size"


def test_outputs_that_are_not_finite_name_the_session_and_the_checkpoint():
    with refused(RunFailed, names=("NaN for 3 of 7", "training in session 3", "weights", "It is saved.")):
        fails(NotFinite("NaN for 3 of 7"))
