"""What stands in for ``torch.cuda`` where a :class:`~pretended_cuda.PretendedCuda` is, as far as it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor


def stubs(device: Any) -> Iterator[tuple[Any, str, Any]]:
    """Yield holder, name and stand-in of each function that is replaced."""

    def number(given: Any = None) -> int:
        return device.current if given is None else device.index(given) or 0

    @contextmanager
    def using(given: Any) -> Iterator[None]:
        before, device.current = device.current, number(given)
        try:
            yield
        finally:
            device.current = before

    def restore(state: Tensor, given: Any = None) -> None:
        device.states[number(given)] = state.clone()

    def restore_all(states: list[Tensor]) -> None:
        for gpu, state in enumerate(states):
            restore(state, gpu)

    about = SimpleNamespace(name="a GPU that is not there", major=9, minor=0, total_memory=80 << 30)
    cuda: dict[str, Any] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "_lazy_init": lambda: None,
        "device_count": lambda: device.gpus,
        "current_device": lambda: device.current,
        "set_device": lambda given: setattr(device, "current", number(given)),
        "device": using,
        "synchronize": lambda given=None: device.wait("synchronize"),
        "empty_cache": lambda: None,
        "reset_peak_memory_stats": lambda given=None: None,
        "max_memory_allocated": lambda given=None: 0,
        "get_device_name": lambda given=None: about.name,
        "get_device_capability": lambda given=None: (about.major, about.minor),
        "get_device_properties": lambda given=None: about,
        "is_bf16_supported": lambda *given, **more: True,
        "manual_seed": device.seed,
        "manual_seed_all": device.seed,
        "get_rng_state": lambda given=None: device.states[number(given)].clone(),
        "set_rng_state": restore,
        "get_rng_state_all": lambda: [state.clone() for state in device.states],
        "set_rng_state_all": restore_all,
        "is_current_stream_capturing": lambda: False,
        "make_graphed_callables": device.record,
    }
    yield from ((torch.cuda, name, stub) for name, stub in cuda.items())
    if hasattr(torch, "accelerator"):
        stream = SimpleNamespace(is_capturing=lambda: False)
        yield torch.accelerator, "current_stream", lambda given=None: stream

    # Autocast of CUDA is that of the CPU, and NCCL is gloo.
    autocast = torch.amp.autocast_mode.autocast
    begin = autocast.__init__
    yield autocast, "__init__", lambda self, kind, *given, **more: begin(self, _host(kind), *given, **more)
    for name in ("is_autocast_enabled", "get_autocast_dtype"):
        yield torch, name, _of_the_host(getattr(torch, name))
    if torch.distributed.is_available():
        join = torch.distributed.init_process_group
        gloo: Any = lambda backend=None, **how: join("gloo", **how)  # noqa: E731
        yield torch.distributed, "init_process_group", gloo

    # C++ sorts an optimiser's tensors by the device that it sees, which is the CPU.
    group = torch._C._group_tensors_by_device_and_dtype

    def grouped(lists: Any, indexed: bool = False) -> Any:
        groups = group(lists, indexed)
        return {(found[0][0][0].device, dtype): found for (_, dtype), found in groups.items()}

    yield torch._C, "_group_tensors_by_device_and_dtype", grouped


def _host(kind: str) -> str:
    return "cpu" if kind == "cuda" else kind


def _of_the_host(function: Any) -> Any:
    return lambda kind="cpu": function(_host(kind))
