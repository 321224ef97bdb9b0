"""Flip rates between two models. Imports torch only when it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.metrics.functional.checks import as_tensor

if TYPE_CHECKING:
    from torch import Tensor

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
    old_correct, new_correct = _checked(old_correct, new_correct)
    queries = len(old_correct)
    return int((old_correct & ~new_correct).sum()) / queries, int((~old_correct & new_correct).sum()) / queries


def relative_negative_flip_rate(old_correct: Labels, new_correct: Labels) -> float | None:
    r"""Return RNFR: the negative flip rate relative to that of two models whose errors are independent.

    .. math:: RNFR = \frac{NFR}{(1 - ER_{old}) ER_{new}}

    NFR falls with the error rates :math:`ER`, which makes models of different accuracy hard to compare. RNFR is 1 for
    independent errors, 0 without negative flips, and above 1 if the new model fails where the old one succeeded.

    Args:
        old_correct: Correctness of the old model on each query, ``(Q,)`` bool.
        new_correct: Correctness of the new model on the same queries, ``(Q,)`` bool.

    Returns:
        The ratio, at least 0; ``None`` if the old model is always wrong or the new one always right.

    Raises:
        ValueError: See :func:`flip_rates`.

    Source: Yan et al., "Positive-Congruent Training" (CVPR 2021, arXiv 2011.09161).

    Example:
        >>> import torch
        >>> old, new = torch.tensor([True, True, False, False]), torch.tensor([False, True, False, True])
        >>> relative_negative_flip_rate(old, new)
        1.0

    """
    old_correct, new_correct = _checked(old_correct, new_correct)
    flips, queries = int((old_correct & ~new_correct).sum()), len(old_correct)
    independent = int(old_correct.sum()) * int((~new_correct).sum())
    return flips * queries / independent if independent else None


def _checked(old_correct: Labels, new_correct: Labels) -> tuple[Tensor, Tensor]:
    """Return both as bool vectors of one length on one device.

    Raises:
        ValueError: They are not.
    """
    import torch

    old_correct, new_correct = as_tensor(old_correct, "old_correct"), as_tensor(new_correct, "new_correct")
    if old_correct.ndim != 1 or old_correct.shape != new_correct.shape or not len(old_correct):
        shapes = f"{tuple(old_correct.shape)} and {tuple(new_correct.shape)}"
        raise ValueError(f"flips need two vectors of one length, got {shapes}")
    if not old_correct.dtype == new_correct.dtype == torch.bool:
        raise ValueError(f"flips need booleans, got {old_correct.dtype} and {new_correct.dtype}")
    return old_correct, new_correct.to(old_correct.device)
