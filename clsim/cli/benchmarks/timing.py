"""How long something takes, on a machine that others may be using too."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clsim.utils.device import device_time


def fastest(function: Callable[[], object], *, rounds: int = 5, device: str = "cpu") -> float:
    """Seconds of the fastest of some calls, after one that is not counted; others can only slow a call down."""
    return interleaved({"": function}, rounds=rounds, device=device)[""]


def interleaved(
    functions: Mapping[str, Callable[[], object]], *, rounds: int = 5, device: str = "cpu"
) -> dict[str, float]:
    """Seconds of the fastest call of each function.

    The functions take turns, so that whatever else the machine does meets all of them, and ratios hold where seconds
    do not. Each is called once before anything is counted.

    Args:
        functions: by name.
        rounds: calls of each that count.
        device: waited for before and after every call.

    """
    for function in functions.values():
        function()
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            best[name] = min(best[name], elapsed(function, device))
    return best


def elapsed(function: Callable[[], object], device: str = "cpu") -> float:
    """Seconds of one call, the device waited for before and after."""
    started = device_time(device)
    function()
    return device_time(device) - started
