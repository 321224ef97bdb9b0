"""What counts as a right answer: class labels, or a table of relevant items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clsim.data.vectors.formats import MEMBER, list_arrays, read_array, split_location
from clsim.utils.errors import UserError

TABLE = ("query", "item")
"""Columns of a table of relevant items."""


@dataclass(frozen=True)
class Relevant:
    """Relevant items of each query, several for one query.

    Attributes:
        starts: Position of each query's first item in ``items``, and the end of the last, ``(Q + 1,)``.
        items: Positions of relevant items, ``(R,)``; ascending for each query, without repetition.

    Example:
        >>> relevant = Relevant(starts=np.array([0, 2, 2]), items=np.array([4, 7]))
        >>> relevant.of(0), relevant.without
        (array([4, 7]), array([1]))

    """

    starts: NDArray[np.int64]
    items: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, query: int) -> NDArray[np.int64]:
        """Return the positions of a query's relevant items."""
        return self.items[self.starts[query] : self.starts[query + 1]]

    @property
    def without(self) -> NDArray[np.int64]:
        """Queries without a relevant item, which no figure can count."""
        return np.flatnonzero(np.diff(self.starts) == 0)


def read_label_values(location: str | Path, count: int) -> NDArray[Any]:
    """Read a label for each vector, as the file has it.

    Args:
        location: ``PATH`` or ``PATH::MEMBER`` of whole numbers or texts, ``(N,)``. A ``.txt`` or ``.csv`` file has one
            label per line, without a header.
        count: Number of vectors.

    Raises:
        UserError: The file is missing or damaged, or it does not hold one label for each vector.

    """
    return check_labels(read_array(location, 1, "labels"), count, str(location))


def check_labels(values: NDArray[Any], count: int, where: str = "labels") -> NDArray[Any]:
    """Return labels if there is one for each vector.

    Args:
        values: Labels, ``(N,)`` whole numbers or texts.
        count: Number of vectors.
        where: Place for the message.

    Raises:
        UserError: They are of another type, shape or number.

    Example:
        >>> check_labels(np.array(["cat", "dog"]), 2).tolist()
        ['cat', 'dog']

    """
    if values.ndim != 1 or values.dtype.kind not in "iuU":
        what = f"labels: expected whole numbers or texts (N,), got {values.dtype} of shape {values.shape}"
        raise UserError(what, where=where)
    if len(values) != count:
        raise UserError(f"labels: expected one for each of {count:,} vectors, got {len(values):,}", where=where)
    return values


def read_labels(location: str | Path, count: int) -> NDArray[np.int64]:
    r"""Read a label for each vector, as numbers from 0, see :func:`read_label_values`.

    Args:
        location: ``PATH`` or ``PATH::MEMBER``.
        count: Number of vectors.

    Raises:
        UserError: The file is missing or damaged, or it does not hold one label for each vector.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "labels.txt"
        >>> _ = path.write_text("cat\ndog\ncat\n")
        >>> read_labels(path, 3)
        array([0, 1, 0])

    """
    return encode_labels(read_label_values(location, count))[0]


def encode_labels(*values: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Return labels as numbers from 0, the same number for the same label in every array.

    Args:
        values: Labels of several sets.

    Example:
        >>> encode_labels(np.array(["dog", "cat"]), np.array(["cat"]))
        [array([1, 0]), array([0])]

    """
    ends = np.cumsum([len(each) for each in values])[:-1]
    codes = np.unique(np.concatenate(values), return_inverse=True)[1].reshape(-1).astype(np.int64)
    return np.split(codes, ends)


def read_relevant(
    location: str | Path,
    queries: int,
    items: int,
    query_ids: NDArray[Any] | None = None,
    item_ids: NDArray[Any] | None = None,
) -> Relevant:
    r"""Read the relevant items of each query.

    Args:
        location: Table with the columns ``query`` and ``item`` (``.csv``, ``.tsv``, ``.parquet``, or two members of
            ``.npz`` or ``.hdf5``), one line for each pair. Or rows of items, one for each query, with -1 where there
            are fewer (``.ivecs``, ``.npy`` and others, with ``::MEMBER``).
        queries: Number of queries.
        items: Number of items.
        query_ids: Ids of the queries, ``(Q,)``, if the table names queries by id; else it has positions from 0.
        item_ids: Ids of the items, ``(N,)``, likewise.

    Raises:
        UserError: The file is missing or damaged, names an unknown query or item, or names a pair twice.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "relevant.csv"
        >>> _ = path.write_text("query,item\n0,5\n0,3\n1,5\n")
        >>> read_relevant(path, queries=2, items=6).of(0)
        array([3, 5])

    """
    path, member = split_location(location)
    where = str(location)
    if member is None and set(TABLE) <= set(list_arrays(path)):
        query, item = (read_array(f"{path}{MEMBER}{column}", 1, "relevant items") for column in TABLE)
        if len(query) != len(item):
            raise UserError(f"there are {len(query):,} queries, but {len(item):,} items", where=where)
        rows = np.arange(len(query))
    else:
        table = read_array(location, 2, "relevant items")
        if table.dtype.kind not in "iu" or len(table) != queries:
            expected = f"expected a row of items for each of {queries:,} queries"
            raise UserError(f"{expected}, got {table.dtype} of shape {table.shape}", where=where)
        kept = np.asarray(table) != -1
        rows = np.nonzero(kept)[0]
        query, item, query_ids = rows, np.asarray(table)[kept], None
    found_queries = _positions(query, rows, queries, query_ids, "query", where)
    found_items = _positions(item, rows, items, item_ids, "item", where)
    return _table(found_queries, found_items, queries, rows, where)


def _positions(
    values: NDArray[Any], rows: NDArray[Any], count: int, ids: NDArray[Any] | None, what: str, where: str
) -> NDArray[np.int64]:
    """Return the positions of ids, or the checked positions themselves."""
    if ids is None:
        if values.dtype.kind not in "iu":
            raise UserError(f"{what}: expected positions, got {values.dtype}", where=where, fix="Give ids.")
        wrong = np.flatnonzero((values < 0) | (values >= count))
        found = values.astype(np.int64)
    elif (values.dtype.kind == "U") != (ids.dtype.kind == "U"):
        raise UserError(f"{what}: expected ids of type {ids.dtype}, got {values.dtype}", where=where)
    else:
        order = np.argsort(ids, kind="stable")
        places = np.searchsorted(ids, values, sorter=order).clip(max=len(ids) - 1)
        found = order[places]
        wrong = np.flatnonzero(ids[found] != values)
    if len(wrong):
        row, value = int(rows[wrong[0]]), values[wrong[0]]
        expected = f"a position below {count:,}" if ids is None else "a known id"
        raise UserError(f"{what} {value} in row {row} is not {expected}; {len(wrong):,} are wrong", where=where)
    return found


def _table(query: NDArray[np.int64], item: NDArray[np.int64], queries: int, rows: NDArray[Any], where: str) -> Relevant:
    order = np.lexsort((item, query))
    query, item = query[order], item[order]
    twice = np.flatnonzero((query[1:] == query[:-1]) & (item[1:] == item[:-1]))
    if len(twice):
        row = int(rows[order[twice[0] + 1]])
        raise UserError(f"row {row} repeats item {item[twice[0]]} of query {query[twice[0]]}", where=where)
    return Relevant(np.searchsorted(query, np.arange(queries + 1)).astype(np.int64), item)
