"""Explanations of common causes of failed runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from clsim.utils.errors import NotFinite, RunFailed

_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")


@contextmanager
def explained(what: str, batch: int | None, settings: str, last: Callable[[], str]) -> Iterator[None]:
    """Explain exhausted memory, a dead worker and non-finite outputs.

    Args:
        what: Activity of the run, such as "training in session 3".
        batch: Batch size of this activity.
        settings: Settings that reduce the batch size.
        last: Function that describes the last checkpoint.

    Raises:
        RunFailed: In place of such an exception; others pass through.
    """
    try:
        yield
    except NotFinite as error:
        raise RunFailed(f"{error.what}, while {what}", fix=f"{error.fix}; {last()}") from error
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            fix = f"reduce {settings}; {last()}"
            raise RunFailed(f"out of memory while {what}, with batches of {batch} images", fix=fix) from error
        if "DataLoader worker" in str(error):
            reason = str(error).strip().splitlines()[0]
            fix = f"the machine may have run out of memory: use fewer workers; {last()}"
            raise RunFailed(f"a worker died while {what}: {reason}", fix=fix) from error
        raise


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means exhausted memory; torch has no class for that on the CPU."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _MEMORY)


def batch_settings(settings: Mapping[str, Any], batch: int | None) -> str:
    """Return the names of the settings that give this training batch size.

    Example:
        >>> batch_settings({"base_batch_size": 128, "batch_size": 4, "epochs": 128}, 128)
        'strategy.base_batch_size'
    """
    named = [name for name, value in settings.items() if "batch_size" in name and value == batch]
    return " or ".join(f"strategy.{name}" for name in named) or "the batch size"
