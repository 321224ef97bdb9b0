"""The state of the generators that everything else draws from: python's, numpy's and torch's."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from clsim.resume.codec import State


def random_state() -> State:
    """Of the global generators, those of CUDA devices included where any is in use."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    version, words, gauss = random.getstate()
    return {
        "python": (version, torch.tensor(words, dtype=torch.int64), gauss),
        "numpy": (kind, torch.from_numpy(np.asarray(keys, np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def set_random_state(state: State) -> None:
    """What :func:`random_state` gave."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])


def loader_state(loader: Any) -> State:
    """What decides the order in which an epoch's batches come, before the first of them is asked for."""
    order = getattr(loader, "order", None)
    return {"global": random_state(), "order": order.get_state() if isinstance(order, torch.Generator) else None}


def set_loader_state(loader: Any, state: State) -> None:
    """What :func:`loader_state` gave."""
    set_random_state(state["global"])
    if state["order"] is not None:
        loader.order.set_state(state["order"])
