"""Vectors of a made-up upgrade: the new model sees classes more clearly than the old one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clsim.auditing.material import Inputs
from clsim.auditing.settings import AuditSettings
from clsim.data.vectors import as_vectors

FAST = AuditSettings(bridges=("identity", "procrustes", "ridge"), resamples=200, index_items=0)


def upgrade(
    count: int = 1200, classes: int = 20, noise: float = 3.0, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Return old vectors ``(N, 24)``, new vectors ``(N, 32)`` and labels of the same items."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    inner = random.normal(size=(classes, 16))[labels] + random.normal(size=(count, 16)) * 0.7
    old = inner @ random.normal(size=(16, 24)) + random.normal(size=(count, 24)) * noise
    new = inner @ random.normal(size=(16, 32)) + random.normal(size=(count, 32)) * 0.5
    return old.astype(np.float32), new.astype(np.float32), labels


def inputs(labeled: bool = False, **how: float) -> Inputs:
    """Return the made-up upgrade as inputs of an audit."""
    old, new, labels = upgrade(**how)  # type: ignore[arg-type]
    return Inputs(as_vectors(old, "old"), as_vectors(new, "new"), labels=labels if labeled else None)
