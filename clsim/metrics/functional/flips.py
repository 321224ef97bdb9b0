"""What a new model gets wrong that the old one got right, and the reverse.

Imports torch where it computes, not where it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.metrics.functional.checks import as_tensor

if TYPE_CHECKING:
    from clsim.metrics.functional.checks import Labels


def flip_rates(old_correct: Labels, new_correct: Labels) -> tuple[float, float]:
    r"""Negative and positive flip rate over one set of queries.

    .. math:: NFR = \frac1Q \#\{i : o_i \wedge \neg n_i\}, \quad PFR = \frac1Q \#\{i : \neg o_i \wedge n_i\}

    :math:`PFR - NFR` is the difference in accuracy; two models of equal accuracy may flip a lot.

    Args:
        old_correct: whether the old model answered each query rightly, ``(Q,)`` bool.
        new_correct: the same for the new model, same queries in the same order.

    Returns:
        Negative and positive rate, as fractions of all queries.

    Raises:
        ValueError: the two are not one-dimensional of one length, hold no query, or are not boolean.

    Example:
        >>> import torch
        >>> flip_rates(torch.tensor([True, True, False, False]), torch.tensor([False, True, True, True]))
        (0.25, 0.5)

    """
    import torch

    old_correct, new_correct = as_tensor(old_correct, "old answers"), as_tensor(new_correct, "new answers")
    if old_correct.ndim != 1 or old_correct.shape != new_correct.shape or not len(old_correct):
        raise ValueError(
            f"flips need two rows of one length: {tuple(old_correct.shape)} and {tuple(new_correct.shape)}"
        )
    if not old_correct.dtype == new_correct.dtype == torch.bool:
        raise ValueError("flips are counted on booleans: which queries were answered rightly")
    new_correct, queries = new_correct.to(old_correct.device), len(old_correct)
    return int((old_correct & ~new_correct).sum()) / queries, int((~old_correct & new_correct).sum()) / queries
