import pytest
import torch

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
    with pytest.raises(RunFailed) as caught:
        fails(error)
    assert str(caught.value) == (
        "out of memory while training in session 3, with batches of 128 images\n"
        "  make strategy.batch_size smaller; It is saved."
    )


def test_memory_of_the_cpu_that_really_runs_out():
    with pytest.raises(RunFailed, match="out of memory"), explained("training", 1, "x", str):
        torch.empty(1 << 60)


def test_a_worker_that_dies_is_told():
    with pytest.raises(RunFailed, match="a worker died while training in session 3: DataLoader worker"):
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
    with pytest.raises(RunFailed, match="NaN for 3 of 7, while training in session 3") as caught:
        fails(NotFinite("NaN for 3 of 7"))
    assert "weights" in caught.value.fix and caught.value.fix.endswith("It is saved.")
