"""Random weights from a seed of their own, while everything else is drawn as it would have been without it."""

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
    """Inside, the global generators start from `seed`; afterwards they go on where they were.

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


def composed(build: Callable[[], Made], *, order: int, initialisation: int | None) -> Made:
    """A strategy composed by the seed `order`, with the weights of one composed by the seed `initialisation`.

    Composed twice, and not with the generators seeded anew behind the weights: so it differs from one without a
    seed of initialisation in its weights and in nothing else, be it a generator that a plugin seeded or the place
    where the global ones stand.

    Args:
        build: composes it; all that it draws for modules is weights.
        order: stays the seed of the global generators.
        initialisation: ``None``: weights are by `order` as well.

    """
    seed_everything(order)
    strategy = build()
    if initialisation is not None:
        with seeded(initialisation):
            _take_weights(strategy, build())
        strategy.initialisation = initialisation  # type: ignore[attr-defined]  # of whatever is a strategy
    return strategy


@runtime_checkable
class SeedsWeights(Protocol):
    """Strategy that may have a seed of its own for weights drawn in the middle of a run."""

    initialisation: int | None


def initialised(strategy: object, name: str, make: Callable[[], Made]) -> Made:
    """What `make` gives in the middle of a run; by the seed of initialisation, if the strategy has one.

    Made twice then: the first one takes from the global generators what it always takes, the second one is kept.

    Args:
        strategy: that is to go on with it.
        name: of what is made, a seed's stream of its own.
        make: may be called again, to the same end.

    """
    made = make()
    seed = strategy.initialisation if isinstance(strategy, SeedsWeights) else None
    if seed is not None:
        with seeded(derived_seed(seed, name)):
            made = make()
    return made


def _take_weights(mine: Any, theirs: Any) -> None:
    """Copies parameters and buffers of a strategy and its plugins, in place: optimisers and plugins hold on to them."""
    with torch.no_grad():
        for old, new in zip(_weights(mine), _weights(theirs), strict=True):
            old.copy_(new)


def _weights(strategy: Template) -> Iterator[Tensor]:
    for holder in (strategy, *strategy.plugins):
        modules = [value for value in vars(holder).values() if isinstance(value, nn.Module)]
        yield from chain.from_iterable(chain(module.parameters(), module.buffers()) for module in modules)
