"""Timing on a machine that may be shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clsim.utils.device import device_time


def fastest(function: Callable[[], object], *, rounds: int = 5, device: str = "cpu") -> float:
    """Return the seconds of the fastest call after a warm-up; other load can only slow a call down."""
    return interleaved({"": function}, rounds=rounds, device=device)[""]


def interleaved(
    functions: Mapping[str, Callable[[], object]], *, rounds: int = 5, device: str = "cpu"
) -> dict[str, float]:
    """Return the seconds of the fastest call of each function.

    The functions take turns, so other load affects all of them: ratios hold even if seconds do not. Each is called
    once as warm-up.

    Args:
        functions: Functions by name.
        rounds: Number of timed calls of each.
        device: Device, synchronized before and after each call.

    """
    for function in functions.values():
        function()
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            best[name] = min(best[name], elapsed(function, device))
    return best


def elapsed(function: Callable[[], object], device: str = "cpu") -> float:
    """Return the seconds of one call; synchronizes the device before and after."""
    started = device_time(device)
    function()
    return device_time(device) - started
