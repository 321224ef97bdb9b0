"""Flip rates between two models. Imports torch only when it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.metrics.functional.checks import as_tensor

if TYPE_CHECKING:
    from clsim.metrics.functional.checks import Labels


def flip_rates(old_correct: Labels, new_correct: Labels) -> tuple[float, float]:
    r"""Return the negative and positive flip rate (NFR, PFR) over one set of queries.

    .. math:: NFR = \frac1Q \#\{i : o_i \wedge \neg n_i\}, \quad PFR = \frac1Q \#\{i : \neg o_i \wedge n_i\}

    :math:`PFR - NFR` is the gain in accuracy. Two models of equal accuracy may still flip many queries.

    Args:
        old_correct: Correctness of the old model on each query, ``(Q,)`` bool.
        new_correct: Correctness of the new model on the same queries, ``(Q,)`` bool.

    Returns:
        Negative and positive flip rate as fractions of all queries.

    Raises:
        ValueError: The two differ in length, are empty, or are not one-dimensional and bool.

    Example:
        >>> import torch
        >>> flip_rates(torch.tensor([True, True, False, False]), torch.tensor([False, True, True, True]))
        (0.25, 0.5)

    """
    import torch

    old_correct, new_correct = as_tensor(old_correct, "old_correct"), as_tensor(new_correct, "new_correct")
    if old_correct.ndim != 1 or old_correct.shape != new_correct.shape or not len(old_correct):
        shapes = f"{tuple(old_correct.shape)} and {tuple(new_correct.shape)}"
        raise ValueError(f"flips need two vectors of one length, got {shapes}")
    if not old_correct.dtype == new_correct.dtype == torch.bool:
        raise ValueError(f"flips need booleans, got {old_correct.dtype} and {new_correct.dtype}")
    new_correct, queries = new_correct.to(old_correct.device), len(old_correct)
    return int((old_correct & ~new_correct).sum()) / queries, int((~old_correct & new_correct).sum()) / queries
