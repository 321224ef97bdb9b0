"""The state of the generators that everything else draws from: python's, numpy's and torch's."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from clsim.utils import distributed

State = Any
"""Numbers, texts, tensors and containers of these, as checkpoints store them."""


def random_state(device: torch.device | str) -> State:
    """Return the state of the global generators, and of the GPU's where the run computes on one.

    No other GPU's state is stored, so how many GPUs are visible does not matter. All processes of a run draw the same
    numbers, each on a GPU of its own: the first one's state is that of all.

    Args:
        device: place where the run computes.

    """
    kind, keys, *rest = np.random.get_state(legacy=True)
    version, words, gauss = random.getstate()
    return {
        "python": (version, torch.tensor(words, dtype=torch.int64), gauss),
        "numpy": (kind, torch.from_numpy(np.asarray(keys, np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state(device)] if torch.device(device).type == "cuda" else [],
    }


def set_random_state(state: State, device: torch.device | str) -> None:
    """Restore what :func:`random_state` returned; the GPU's state goes to the GPU on which the run computes now.

    Args:
        state: generators' state. It may come from an earlier version, which stored the states of all visible GPUs.
        device: place where the run computes, which need not be the one where the state was stored.

    """
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.device(device).type == "cuda":
        torch.cuda.set_rng_state(_own(state["cuda"], torch.device(device)).cpu(), device)


def _own(states: list[torch.Tensor], device: torch.device) -> torch.Tensor:
    """Return the state that the run drew from, of one state or of one for each GPU that was visible."""
    # The first process stored the states of all GPUs, and drew from the first of them.
    index = (
        0 if distributed.is_distributed() else device.index if device.index is not None else torch.cuda.current_device()
    )
    return states[index] if index < len(states) else states[0]


def loader_state(loader: Any, device: torch.device | str) -> State:
    """Return what decides the order of an epoch's batches, before the first of them is asked for.

    Args:
        loader: loader of the epoch.
        device: place where the run computes.

    """
    order = getattr(loader, "order", None)
    return {"global": random_state(device), "order": order.get_state() if isinstance(order, torch.Generator) else None}


def set_loader_state(loader: Any, state: State, device: torch.device | str) -> None:
    """Restore what :func:`loader_state` returned."""
    set_random_state(state["global"], device)
    if state["order"] is not None:
        loader.order.set_state(state["order"])
