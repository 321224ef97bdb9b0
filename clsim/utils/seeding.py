"""Seeds: random weights may have a separate seed, which changes no other draw."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from clsim.utils.derived_seed import derived_seed

if TYPE_CHECKING:
    from clsim.utils.template import Template

Made = TypeVar("Made")


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch."""
    # Rich draws from `random` when first imported; a later import would shift the draws of a run.
    import rich.style  # noqa: F401

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators within the block, and restore their states afterwards.

    Example:
        >>> torch.manual_seed(1) and None
        >>> with seeded(2):
        ...     _ = torch.rand(3)
        >>> torch.initial_seed(), bool(torch.rand(1) == torch.rand(1, generator=torch.Generator().manual_seed(1)))
        (1, True)

    """
    python, arrays = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices=devices):
            seed_everything(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)


def composed(build: Callable[[], Made], *, order: int, initialization: int | None) -> Made:
    """Return a strategy built under the seed ``order``, with the weights of one built under ``initialization``.

    The strategy is built twice. Seeding the generators again for the weights alone would also change the generators
    that plugins seed, and the position of the global ones. So only the weights differ from a strategy without the
    second seed.

    Args:
        build: Function that builds the strategy; for modules it draws nothing but weights.
        order: Seed of the global generators.
        initialization: Seed of the weights; None: ``order`` draws them, too.

    """
    seed_everything(order)
    strategy = build()
    if initialization is not None:
        with seeded(initialization):
            _copy_weights(strategy, build())
        strategy.initialization = initialization  # type: ignore[attr-defined]  # any kind of strategy
    return strategy


@runtime_checkable
class SeedsWeights(Protocol):
    """Strategy with a seed for weights that are drawn amid a run."""

    initialization: int | None


def initialized(strategy: object, name: str, make: Callable[[], Made]) -> Made:
    """Return the result of ``make`` amid a run, drawn by the strategy's seed of weights if it has one.

    With a seed ``make`` is called twice: once for the draws that the global generators always make, once for the
    result.

    Args:
        strategy: Strategy that uses the result.
        name: Name of the result, from which its seed is derived.
        make: Function that draws weights; repeating it must be harmless.

    """
    made = make()
    seed = strategy.initialization if isinstance(strategy, SeedsWeights) else None
    if seed is not None:
        with seeded(derived_seed(seed, name)):
            made = make()
    return made


def _copy_weights(mine: Any, theirs: Any) -> None:
    """Copy parameters and buffers of a strategy and its plugins in place, where optimizers refer to them."""
    with torch.no_grad():
        for old, new in zip(_weights(mine), _weights(theirs), strict=True):
            old.copy_(new)


def _weights(strategy: Template) -> Iterator[Tensor]:
    for holder in (strategy, *strategy.plugins):
        modules = [value for value in vars(holder).values() if isinstance(value, nn.Module)]
        yield from chain.from_iterable(chain(module.parameters(), module.buffers()) for module in modules)
