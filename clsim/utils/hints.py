"""What commonly ends a run from outside, told in the run's own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from clsim.utils.errors import NotFinite, RunFailed

_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")


@contextmanager
def explained(what: str, batch: int | None, settings: str, last: Callable[[], str]) -> Iterator[None]:
    """Explain exhausted memory, a worker that died and a model whose outputs are not finite.

    Args:
        what: the run was doing.
        batch: images a batch of it.
        settings: by which the batch is made smaller.
        last: where the run was saved.

    Raises:
        RunFailed: in place of such an exception; others pass.

    """
    try:
        yield
    except NotFinite as error:
        raise RunFailed(f"{error.what}, while {what}", fix=f"{error.fix}; {last()}") from error
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            fix = f"make {settings} smaller; {last()}"
            raise RunFailed(f"out of memory while {what}, with batches of {batch} images", fix=fix) from error
        if "DataLoader worker" in str(error):
            reason = str(error).strip().splitlines()[0]
            fix = f"often the machine was short of memory: use fewer workers; {last()}"
            raise RunFailed(f"a worker died while {what}: {reason}", fix=fix) from error
        raise


def is_out_of_memory(error: BaseException) -> bool:
    """Python's own exception, or one of torch's, which for a CPU has no class of its own."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _MEMORY)


def batch_settings(settings: Mapping[str, Any], batch: int | None) -> str:
    """Names of the settings that a training batch of this size comes from.

    Example:
        >>> batch_settings({"base_batch_size": 128, "batch_size": 4, "epochs": 128}, 128)
        'strategy.base_batch_size'

    """
    named = [name for name, value in settings.items() if "batch_size" in name and value == batch]
    return " or ".join(f"strategy.{name}" for name in named) or "the batch size"
