"""State of the global random generators of Python, numpy and torch."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from clsim.utils import distributed

State = Any
"""Numbers, strings, tensors and containers of these, as checkpoints store them."""


def random_state(device: torch.device | str) -> State:
    """Return the state of the global generators, including that of the run's GPU.

    States of other GPUs are not stored, so the number of visible GPUs does not matter. All processes of a run draw the
    same numbers, each on its GPU, so the state of one serves all.

    Args:
        device: Device of the run.
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
    """Restore the state returned by :func:`random_state`; the GPU state goes to the current device.

    Args:
        state: State of the generators. Earlier versions stored the states of all visible GPUs.
        device: Device of the run, which may differ from the one at the time of saving.
    """
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.device(device).type == "cuda":
        torch.cuda.set_rng_state(_gpu_state(state["cuda"], torch.device(device)).cpu(), device)


def _gpu_state(states: list[torch.Tensor], device: torch.device) -> torch.Tensor:
    """Return the GPU state that the run drew from, out of one state or one per visible GPU."""
    # With several processes, rank 0 stored all GPUs and drew from the first.
    index = (
        0 if distributed.is_distributed() else device.index if device.index is not None else torch.cuda.current_device()
    )
    return states[index] if index < len(states) else states[0]


def loader_state(loader: Any, device: torch.device | str) -> State:
    """Return the state that determines the order of an epoch's batches, before the first batch is drawn.

    Args:
        loader: Data loader of the epoch.
        device: Device of the run.
    """
    order = getattr(loader, "order", None)
    return {"global": random_state(device), "order": order.get_state() if isinstance(order, torch.Generator) else None}


def set_loader_state(loader: Any, state: State, device: torch.device | str) -> None:
    """Restore the state returned by :func:`loader_state`."""
    set_random_state(state["global"], device)
    if state["order"] is not None:
        loader.order.set_state(state["order"])
