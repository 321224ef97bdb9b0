"""Checks of the metrics' inputs: features, class ids and counts.

Accepts tensors, numpy arrays and lists. Imports torch only when it converts.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Features: TypeAlias = "Tensor | NDArray[Any] | Sequence[Sequence[float]]"
"""Rows of real numbers, ``(N, D)``."""
Labels: TypeAlias = "Tensor | NDArray[Any] | Sequence[int]"
"""One integer for each row, ``(N,)``."""
SelfItems: TypeAlias = "bool | Tensor | NDArray[Any]"
"""Gallery items that are the queries themselves, see :func:`~clsim.metrics.functional.similarity.find_self_items`."""
Unmatched: TypeAlias = Literal["wrong", "skip"]
"""Treatment of queries whose class is not in the gallery."""


def as_tensor(values: Any, name: str) -> Tensor:
    """Return values as a dense tensor.

    Arrays that torch cannot wrap (read-only, reversed, other byte order, long double) are copied.

    Args:
        values: Tensor, array or nested list of numbers.
        name: Name of the argument, for the message.

    Raises:
        ValueError: The values are not numbers, or rows differ in length.

    Example:
        >>> as_tensor([[1.0, 2.0]], "query")
        tensor([[1., 2.]], dtype=torch.float64)

    """
    import numpy as np
    import torch

    if isinstance(values, torch.Tensor):
        if values.layout != torch.strided or values.is_meta:
            raise ValueError(f"{name}: expected a dense tensor, got {values.layout} on {values.device}")
        return values
    try:
        array = np.asarray(values)
        if array.dtype == np.longdouble:
            array = array.astype(np.float64)
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        wrappable = array.flags.writeable and all(stride >= 0 for stride in array.strides)
        return torch.from_numpy(array if wrappable else array.copy())
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected a tensor, array or list of numbers, got {_describe(values)}") from error


def as_features(values: Features, name: str) -> Tensor:
    """Return features as a detached tensor of real numbers, ``(N, D)`` with ``N`` and ``D`` at least 1.

    Finiteness is checked later, by :func:`~clsim.metrics.functional.similarity.unit_rows`.

    Args:
        values: Features in any accepted form.
        name: Name of the argument, for the message.

    Raises:
        ValueError: Shape or type does not fit.

    Example:
        >>> as_features([[1.0, 2.0]], "query").shape
        torch.Size([1, 2])

    """
    import torch

    features = as_tensor(values, name)
    if features.ndim != 2 or not features.shape[1]:
        raise ValueError(f"{name}: expected features (N, D), got {_describe(features)}")
    if features.is_complex() or features.dtype == torch.bool:
        raise ValueError(f"{name}: expected real numbers, got {features.dtype}")
    if not len(features):
        raise ValueError(f"{name}: expected at least 1 row of features, got none")
    return features.detach()


def as_labels(values: Labels, name: str, count: int) -> Tensor:
    """Return class ids as int64, ``(count,)``.

    Args:
        values: Class ids in any accepted form.
        name: Name of the argument, for the message.
        count: Expected number of labels.

    Raises:
        ValueError: Shape does not fit, or the type is not an integer type.

    Example:
        >>> as_labels([3, 1], "query", 2)
        tensor([3, 1])

    """
    import torch

    labels = as_tensor(values, name)
    if labels.shape != (count,):
        raise ValueError(f"{name}: expected labels ({count},) for {count} features, got {_describe(labels)}")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"{name}: expected integer labels, got {labels.dtype}")
    whole = labels.long()
    if labels.dtype == torch.uint64 and bool((whole < 0).any()):
        raise ValueError(f"{name}: expected labels below 2**63")
    return whole


def as_labeled(features: Features, labels: Labels, name: str) -> tuple[Tensor, Tensor]:
    """Return features ``(N, D)`` and their class ids ``(N,)`` as tensors.

    Args:
        features: Features in any accepted form.
        labels: Class ids, one for each row.
        name: Name of the pair, for the message.

    Raises:
        ValueError: Shape or type does not fit.

    Example:
        >>> [tuple(part.shape) for part in as_labeled([[1.0, 2.0]], [7], "query")]
        [(1, 2), (1,)]

    """
    rows = as_features(features, name)
    return rows, as_labels(labels, name, len(rows))


def check_widths(query: Tensor, gallery: Tensor) -> None:
    """Raise if queries ``(Q, D)`` and gallery ``(N, D)`` differ in width.

    Raises:
        ValueError: The widths differ.

    Example:
        >>> import torch
        >>> check_widths(torch.ones(2, 4), torch.ones(3, 5))
        Traceback (most recent call last):
        ...
        ValueError: query and gallery differ in width: 4 and 5

    """
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(f"query and gallery differ in width: {query.shape[1]} and {gallery.shape[1]}")


def as_counts(k: Sequence[int], name: str = "k") -> list[int]:
    """Return cut-off ranks as plain integers.

    Args:
        k: Cut-off ranks, or a single one.
        name: Name of the argument, for the message.

    Raises:
        ValueError: There is no rank, or one is not an integer of at least 1.

    Example:
        >>> as_counts((1, 5))
        [1, 5]

    """
    try:
        counts = [k] if isinstance(k, int) else list(k)
    except TypeError as error:
        raise ValueError(f"{name}: expected integers of at least 1, got {k!r}") from error
    if not counts:
        raise ValueError(f"{name}: expected at least one integer, got none")
    return [as_count(count, name) for count in counts]


def as_count(value: Any, name: str) -> int:
    """Return an integer of at least 1. Accepts numpy integers.

    Args:
        value: Number to check.
        name: Name of the argument, for the message.

    Raises:
        ValueError: The value is not an integer of at least 1.

    Example:
        >>> as_count(0, "steps")
        Traceback (most recent call last):
        ...
        ValueError: steps: expected an integer of at least 1, got 0

    """
    try:
        count = 0 if isinstance(value, bool) else index(value)
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(f"{name}: expected an integer of at least 1, got {value!r}")
    return count


def check_unmatched(unmatched: str) -> None:
    """Raise if ``unmatched`` is neither ``wrong`` nor ``skip``.

    Raises:
        ValueError: The value is neither of the two.

    Example:
        >>> check_unmatched("ignore")
        Traceback (most recent call last):
        ...
        ValueError: unmatched: expected 'wrong' or 'skip', got 'ignore'

    """
    if unmatched not in ("wrong", "skip"):
        raise ValueError(f"unmatched: expected 'wrong' or 'skip', got {unmatched!r}")


def mean_of_queries(total: float, matched: int, queries: int, unmatched: Unmatched) -> float:
    """Return the mean over all queries, or over those with a match.

    Args:
        total: Sum over the queries, with 0 for unmatched ones.
        matched: Number of queries with a match.
        queries: Number of all queries.
        unmatched: Treatment of the others: count as ``wrong``, or ``skip``.

    Raises:
        ValueError: No query has a match and ``unmatched`` is ``skip``.

    Example:
        >>> mean_of_queries(3.0, 4, 6, "wrong"), mean_of_queries(3.0, 4, 6, "skip")
        (0.5, 0.75)

    """
    if unmatched == "wrong":
        return total / queries
    if not matched:
        raise ValueError("no query has a match in the gallery, so unmatched='skip' leaves nothing to average")
    return total / matched


def _describe(values: Any) -> str:
    import numpy as np
    import torch

    if isinstance(values, torch.Tensor | np.ndarray):
        return f"{tuple(values.shape)} {values.dtype}"
    return type(values).__name__
