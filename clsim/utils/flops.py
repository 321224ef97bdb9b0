"""Count of floating-point operations by the formulas of ``torch.utils.flop_counter``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count

Result = TypeVar("Result")


def _attention(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))


def _attention_backward(gradient: Any, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
    return int(sdpa_backward_flop_count(gradient.shape, query.shape, key.shape, value.shape))


ON_CPU: Mapping[Any, Callable[..., int]] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
"""Formulas of attention on a CPU, which torch's registry lacks."""


class CountFlops(TorchDispatchMode):
    """Context that counts the operations within it: matrix products, convolutions and attention.

    Adding a product counts as two operations. Element-wise operations do not count, as in
    ``torch.utils.flop_counter.FlopCounterMode``. Results do not change.

    Attributes:
        flops: Number of operations so far.

    Example:
        >>> with CountFlops() as counted:
        ...     _ = torch.ones(2, 3) @ torch.ones(3, 4)
        >>> counted.flops
        48

    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and add its count."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = func._overloadpacket
        formula = ON_CPU.get(packet) or flop_registry.get(packet)
        if formula is not None:
            self.flops += int(formula(*args, **kwargs, out_val=out))
        return out


def map_counted(map_threads: Callable[..., Any], work: Callable[..., Result], *arguments: Any) -> list[Result]:
    """Call a function in threads and add their operations to the count in effect here, if there is one.

    Args:
        map_threads: The ``map`` of a pool of threads, which know nothing of the contexts of this one.
        work: Function to call.
        *arguments: Arguments of each call, as for ``map``.

    """
    here = _get_current_dispatch_mode()
    if not isinstance(here, CountFlops):
        return list(map_threads(work, *arguments))

    def counted(*given: Any) -> tuple[Result, int]:
        with CountFlops() as own:
            result = work(*given)
        return result, own.flops

    found = list(map_threads(counted, *arguments))
    here.flops += sum(flops for _, flops in found)
    return [result for result, _ in found]
