"""Inputs of an audit from files, arrays and tensors: opened, matched and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clsim.auditing.material import Inputs
from clsim.data.vectors import (
    Relevant,
    VectorSet,
    as_vectors,
    check_labels,
    encode_labels,
    open_vectors,
    pair_vectors,
    read_label_values,
    read_relevant,
)
from clsim.utils.errors import UserError

Vectors: TypeAlias = "str | Path | VectorSet | ArrayLike"
"""Location of a file, see :func:`~clsim.data.vectors.open_vectors`; or an array, a tensor, or a set of vectors."""
Values: TypeAlias = "str | Path | ArrayLike"
"""Location of a file with one value per vector, or the values."""
RelevantItems: TypeAlias = "str | Path | Sequence[Sequence[int]] | Relevant"
"""Location of a table, see :func:`~clsim.data.vectors.read_relevant`; or the positions of each query's items."""

Location: TypeAlias = "str | Path"


@dataclass(frozen=True)
class Sources:
    """What the user of an audit gives.

    Attributes:
        old: Vectors of the items by the old model.
        new: Vectors of the items by the new model.
        queries: Vectors of the queries by the old model and by the new one; None: some items are queries.
        labels: Label of each item.
        query_labels: Label of each query.
        relevant: Relevant items of each query.
        ids: Ids of the items, as a member of both files or as a location; for both models, or one for each.
        query_ids: Ids of the queries, likewise.
        drop_unusable: Whether pairs with an unusable row are left out; otherwise they are refused.

    """

    old: Vectors
    new: Vectors
    queries: tuple[Vectors, Vectors] | None = None
    labels: Values | None = None
    query_labels: Values | None = None
    relevant: RelevantItems | None = None
    ids: str | Path | tuple[str | Path, str | Path] | None = None
    query_ids: str | Path | tuple[str | Path, str | Path] | None = None
    drop_unusable: bool = False

    def __post_init__(self) -> None:
        if self.relevant is not None and (self.labels is not None or self.query_labels is not None):
            raise UserError("labels and relevant items exclude each other")
        if self.queries is None and (self.query_labels is not None or self.query_ids is not None):
            raise UserError("labels and ids of queries need queries")
        if self.queries is not None and (self.labels is None) != (self.query_labels is None):
            raise UserError("with queries, labels need both: those of the items and those of the queries")


def load_inputs(sources: Sources) -> tuple[Inputs, tuple[str, ...]]:
    """Open, match and check the vectors of an audit.

    Args:
        sources: What the user gives.

    Returns:
        Inputs, and notes on what was handled.

    Raises:
        UserError: A file is missing, damaged or of an unknown format, or its content does not fit the others.

    Example:
        >>> items = np.eye(4, dtype=np.float32)
        >>> inputs, notes = load_inputs(Sources(items, items, labels=["a", "a", "b", "b"]))
        >>> inputs.labels.tolist(), notes
        ([0, 0, 1, 1], ())

    """
    ids_old, ids_new = _both(sources.ids)
    old, new = opened(sources.old, "old", ids_old), opened(sources.new, "new", ids_new)
    pairs = pair_vectors(old, new, drop_unusable=sources.drop_unusable)
    notes = pairs.notes
    asked = asked_old = None
    if sources.queries is not None:
        ids_old, ids_new = _both(sources.query_ids)
        asked_old = opened(sources.queries[0], "old queries", ids_old)
        asked = pair_vectors(
            asked_old, opened(sources.queries[1], "new queries", ids_new), drop_unusable=sources.drop_unusable
        )
        notes += asked.notes
        for items, queries in ((pairs.old, asked.old), (pairs.new, asked.new)):
            if items.width != queries.width:
                what = f"expected queries of width {items.width} as in {items.name}, got {queries.width}"
                raise UserError(what, where=queries.name)
    labels = _labels(sources.labels, old, "labels")
    query_labels = None if asked_old is None else _labels(sources.query_labels, asked_old, "query labels")
    if labels is not None and query_labels is not None:
        if (labels.dtype.kind == "U") != (query_labels.dtype.kind == "U"):
            raise UserError("labels of items and queries differ in type: numbers and texts")
        labels, query_labels = encode_labels(labels, query_labels)
    elif labels is not None:
        (labels,) = encode_labels(labels)
    inputs = Inputs(
        pairs.old,
        pairs.new,
        None if asked is None else asked.old,
        None if asked is None else asked.new,
        None if labels is None else labels[_kept(pairs.old)],
        None if query_labels is None or asked is None else query_labels[_kept(asked.old)],
        _relevant(sources.relevant, old, pairs.old, asked_old, None if asked is None else asked.old),
    )
    return inputs, notes


def load_versions(
    versions: Sequence[Vectors],
    ids: str | Path | None = None,
    labels: Values | None = None,
    relevant: RelevantItems | None = None,
    *,
    drop_unusable: bool = False,
) -> tuple[list[VectorSet], NDArray[np.int64] | None, Relevant | None, tuple[str, ...]]:
    """Open, match and check the vectors of several versions of a model.

    Args:
        versions: Vectors of the same items by each version, oldest first.
        ids: Ids of the items: a member of every file.
        labels: Label of each item of the first version.
        relevant: Relevant items of each item of the first version.
        drop_unusable: Whether items with an unusable row in any version are left out.

    Returns:
        The versions with the same items in the same order, labels, relevant items, and notes.

    Raises:
        UserError: A file is missing or damaged, or its content does not fit the others.

    Example:
        >>> versions, labels, _, _ = load_versions([np.eye(3), np.eye(3)], labels=["a", "b", "a"])
        >>> [len(each) for each in versions], labels.tolist()
        ([3, 3], [0, 1, 0])

    """
    sets = [opened(each, f"version {place}", ids) for place, each in enumerate(versions, 1)]
    first, notes = sets[0], list[str]()
    for each in sets[1:]:
        pairs = pair_vectors(first, each, drop_unusable=drop_unusable)
        first = pairs.old
        notes += [note for note in pairs.notes if note not in notes]
    # Matched again with the items that all versions have.
    matched = [first, *(pair_vectors(first, each, drop_unusable=drop_unusable).new for each in sets[1:])]
    known = _labels(labels, sets[0], "labels")
    if known is not None and relevant is not None:
        raise UserError("labels and relevant items exclude each other")
    coded = None if known is None else encode_labels(known)[0][_kept(first)]
    return matched, coded, _relevant(relevant, sets[0], first, None, None), tuple(notes)


def opened(source: Vectors, name: str, ids: str | Path | None = None) -> VectorSet:
    """Return the vectors at a location or in an array.

    Args:
        source: Location, array, tensor, or set of vectors.
        name: Name of an array for messages.
        ids: Ids of the items: a member of the file or a location.

    Raises:
        UserError: The source holds no vectors, or ids are given for an array.

    """
    if isinstance(source, str | Path):
        return open_vectors(source, ids)
    if ids is not None:
        raise UserError("ids: an array has none", where=name, fix="Give VectorSet(array, ids=ids).")
    return as_vectors(source, name)


def _both(value: Location | tuple[Location, Location] | None) -> tuple[Location | None, Location | None]:
    return value if isinstance(value, tuple) else (value, value)


def _kept(vectors: VectorSet) -> NDArray[np.int64]:
    """Return the rows of the file that are in a set."""
    return np.arange(len(vectors)) if vectors.positions is None else vectors.positions


def _labels(source: Values | None, vectors: VectorSet, name: str) -> NDArray[Any] | None:
    if source is None:
        return None
    if isinstance(source, str | Path):
        return read_label_values(source, len(vectors))
    return check_labels(np.asarray(source), len(vectors), name)


def _relevant(
    source: RelevantItems | None,
    old: VectorSet,
    kept_old: VectorSet,
    asked: VectorSet | None,
    kept_asked: VectorSet | None,
) -> Relevant | None:
    """Return the relevant items as positions among the kept queries and items."""
    if source is None:
        return None
    queries = asked or old
    if isinstance(source, Relevant):
        relevant = source
    elif isinstance(source, str | Path):
        relevant = read_relevant(source, len(queries), len(old), queries.ids, old.ids)
    else:
        relevant = _from_lists(source, len(old))
    if len(relevant) != len(queries):
        raise UserError(f"relevant items: expected those of {len(queries):,} queries, got {len(relevant):,}")
    place = np.full(len(old), -1, dtype=np.int64)
    place[_kept(kept_old)] = np.arange(len(kept_old))
    lists = [place[relevant.of(int(query))] for query in _kept(kept_asked or kept_old)]
    return _from_lists([found[found >= 0] for found in lists], len(kept_old))


def _from_lists(lists: Sequence[Sequence[int]] | Sequence[NDArray[np.int64]], items: int) -> Relevant:
    rows = [np.unique(np.asarray(each, dtype=np.int64)) for each in lists]
    for query, row in enumerate(rows):
        if len(row) and not 0 <= row[0] <= row[-1] < items:
            raise UserError(f"relevant items: query {query} names a position outside 0 to {items - 1:,}")
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Relevant(starts, np.concatenate(rows) if rows else np.empty(0, dtype=np.int64))
