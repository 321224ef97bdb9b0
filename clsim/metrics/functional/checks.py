"""Checks of what the metrics are given: features, class ids and counts. One message for each mistake.

Tensors, numpy arrays and lists are all taken. Imports torch where it converts, not where it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Features: TypeAlias = "Tensor | NDArray[Any] | Sequence[Sequence[float]]"
"""Rows of numbers, ``(N, D)``."""
Labels: TypeAlias = "Tensor | NDArray[Any] | Sequence[int]"
"""One whole number for each row."""
Own: TypeAlias = "bool | Tensor | NDArray[Any]"
"""Which gallery items the queries are, see :func:`~clsim.metrics.functional.similarity.own_items`."""
Unmatched: TypeAlias = Literal["wrong", "skip"]
"""How queries without an item of their class count."""


def as_tensor(values: Any, name: str) -> Tensor:
    """Return values as a dense tensor.

    An array that torch cannot hold as it is (read-only, reversed, of another byte order or longer floats) is copied.

    Raises:
        ValueError: Values that are no numbers, or rows of different lengths.
    """
    import numpy as np
    import torch

    if isinstance(values, torch.Tensor):
        if values.layout != torch.strided or values.is_meta:
            raise ValueError(f"{name}: a dense tensor is needed; got {values.layout} on {values.device}")
        return values
    try:
        array = np.asarray(values)
        if array.dtype == np.longdouble:
            array = array.astype(np.float64)
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        plain = array.flags.writeable and all(stride >= 0 for stride in array.strides)
        return torch.from_numpy(array if plain else array.copy())
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected a tensor, an array or a list of numbers; got {_told(values)}") from error


def as_features(values: Features, name: str) -> Tensor:
    """Return features as a tensor ``(N, D)`` of real numbers, ``N`` and ``D`` at least 1.

    Whether they are finite is seen where they are scaled: :func:`~clsim.metrics.functional.similarity.unit_rows`.

    Raises:
        ValueError: Another shape or type, with ``name``.
    """
    import torch

    features = as_tensor(values, name)
    if features.ndim != 2 or not features.shape[1]:
        raise ValueError(f"{name}: expected features (N, D); got {_told(features)}")
    if features.is_complex() or features.dtype == torch.bool:
        raise ValueError(f"{name}: features are real numbers; got {features.dtype}")
    if not len(features):
        raise ValueError(f"{name}: no features")
    return features.detach()


def as_labels(values: Labels, name: str, count: int) -> Tensor:
    """Return class ids as int64 ``(count,)``.

    Raises:
        ValueError: Another shape, or ids that are not of an integer type, with ``name``.
    """
    import torch

    labels = as_tensor(values, name)
    if labels.shape != (count,):
        raise ValueError(f"{name}: expected labels (N,) for {count} features; got {_told(labels)}")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"{name}: labels are integers, ids of classes; got {labels.dtype}")
    whole = labels.long()
    if labels.dtype == torch.uint64 and bool((whole < 0).any()):
        raise ValueError(f"{name}: labels lie below 2**63; some are greater")
    return whole


def as_labelled(features: Features, labels: Labels, name: str) -> tuple[Tensor, Tensor]:
    """Return :func:`as_features` and their :func:`as_labels`.

    Raises:
        ValueError: Another shape or type, with ``name``.
    """
    rows = as_features(features, name)
    return rows, as_labels(labels, name, len(rows))


def check_widths(query: Tensor, gallery: Tensor) -> None:
    """Raise if queries ``(Q, D)`` and a gallery ``(N, D)`` differ in width.

    Raises:
        ValueError: Both widths.
    """
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"features of {query.shape[1]} and {gallery.shape[1]} numbers cannot be compared: they need one width"
        )


def as_counts(k: Sequence[int], name: str = "k") -> list[int]:
    """Return numbers of nearest items as plain integers.

    Raises:
        ValueError: No number, or one that is not an integer of at least 1.
    """
    try:
        counts = [k] if isinstance(k, int) else list(k)
    except TypeError as error:
        raise ValueError(f"{name}: numbers of gallery items from 1 are needed; got {k!r}") from error
    if not counts:
        raise ValueError(f"{name}: at least one number of gallery items is needed")
    return [as_count(count, f"{name} counts gallery items from 1") for count in counts]


def as_count(value: Any, rule: str) -> int:
    """Return an integer of at least 1; numpy's integers are welcome.

    Args:
        value: Number to check.
        rule: Sentence for the message, such as "k counts gallery items from 1".

    Raises:
        ValueError: The rule and what was given.
    """
    try:
        count = 0 if isinstance(value, bool) else index(value)
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(f"{rule}; got {value!r}")
    return count


def check_unmatched(unmatched: str) -> None:
    """Raise if the treatment of queries without a match is neither ``wrong`` nor ``skip``.

    Raises:
        ValueError: What was given.
    """
    if unmatched not in ("wrong", "skip"):
        raise ValueError(f"unmatched must be 'wrong' or 'skip'; got {unmatched!r}")


def mean_of_queries(total: float, matched: int, queries: int, unmatched: Unmatched) -> float:
    """Return the mean over all queries, or over those with a match.

    Args:
        total: Sum over the queries, 0 for one without a match.
        matched: Number of queries with a match.
        queries: Number of all queries.
        unmatched: Whether the others count as ``wrong`` or are left out, ``skip``.

    Raises:
        ValueError: No query has a match, and those are to be left out.
    """
    if unmatched == "wrong":
        return total / queries
    if not matched:
        raise ValueError("no query has a match in the gallery: with unmatched='skip' nothing is left to average")
    return total / matched


def _told(values: Any) -> str:
    shape, dtype = getattr(values, "shape", None), getattr(values, "dtype", "")
    return type(values).__name__ if shape is None else f"{tuple(shape)} {dtype}".rstrip()
