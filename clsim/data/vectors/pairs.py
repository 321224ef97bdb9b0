"""Vectors of the same items by two models: matched, checked, and cleaned of unusable rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clsim.data.vectors.checks import SHOWN, VectorReport, check_vectors, named_rows
from clsim.data.vectors.vector_set import VectorSet
from clsim.utils.errors import UserError, UserErrors


@dataclass(frozen=True)
class PairReport:
    """What a check of two sets found.

    Attributes:
        old: Unusual rows of the old model's vectors.
        new: Unusual rows of the new model's vectors.
        refused: Problems that must be fixed, each with its place.
        notes: Properties that are handled, each with its place, in sentences.
        usable: Positions of the pairs whose two rows are usable, ascending.

    """

    old: VectorReport
    new: VectorReport
    refused: tuple[UserError, ...]
    notes: tuple[str, ...]
    usable: NDArray[np.int64]

    def raise_if_refused(self) -> None:
        """Raise the problems, if there are any.

        Raises:
            UserError: There is one problem.
            UserErrors: There are several.

        """
        if len(self.refused) == 1:
            raise self.refused[0]
        if self.refused:
            raise UserErrors(self.refused)


@dataclass(frozen=True)
class VectorPairs:
    """Vectors of the same items, row by row.

    Attributes:
        old: Vectors by the old model, ``(N, d)``.
        new: Vectors by the new model, ``(N, D)``.
        report: What the check found, with positions before unusable rows were dropped.
        notes: How rows were matched and which were dropped, in sentences.

    """

    old: VectorSet
    new: VectorSet
    report: PairReport
    notes: tuple[str, ...]


def match_by_id(old: VectorSet, new: VectorSet) -> tuple[VectorSet, VectorSet, tuple[str, ...]]:
    """Return the items that both sets have, in the old one's order, and notes on the others.

    Without ids, rows belong together by position.

    Args:
        old: Vectors by the old model.
        new: Vectors by the new model.

    Raises:
        UserError: Only one set has ids, ids differ in type or occur twice, no id is common to both, or sets without
            ids differ in length.

    Example:
        >>> old = VectorSet(np.eye(2), ids=np.array([7, 8]), name="old")
        >>> new = VectorSet(np.eye(3), ids=np.array([8, 9, 7]), name="new")
        >>> old, new, notes = match_by_id(old, new)
        >>> new.row_ids, notes
        (array([7, 8]), ('new: 1 of 3 ids are not in old and are left out: 9',))

    """
    if old.ids is None and new.ids is None:
        if len(old) != len(new):
            fix = "Give ids to match rows, or remove the rows that only one of them has."
            what = f"the sets differ in length: {old.name} has {len(old):,} vectors, this one {len(new):,}"
            raise UserError(what, where=new.name, fix=fix)
        return old, new, ()
    if old.ids is None or new.ids is None:
        without, other = (old, new) if old.ids is None else (new, old)
        raise UserError(f"ids are missing, but {other.name} has some", where=without.name)
    if (old.ids.dtype.kind == "U") != (new.ids.dtype.kind == "U"):
        kinds = {True: "texts", False: "whole numbers"}
        what = f"ids are {kinds[new.ids.dtype.kind == 'U']}, those of {old.name} {kinds[old.ids.dtype.kind == 'U']}"
        raise UserError(what, where=new.name)
    for vectors in (old, new):
        _check_unique(vectors)
    common, of_old, of_new = np.intersect1d(old.row_ids, new.row_ids, assume_unique=True, return_indices=True)
    if not len(common):
        what = f"no id is among those of {old.name}; the first is {new.row_ids[0]}, there it is {old.row_ids[0]}"
        raise UserError(what, where=new.name)
    order = np.argsort(of_old, kind="stable")
    notes = (_left_out(old, of_old, new.name), _left_out(new, of_new, old.name))
    return old.take(of_old[order]), new.take(of_new[order]), tuple(note for note in notes if note)


def _check_unique(vectors: VectorSet) -> None:
    ids = vectors.row_ids
    order = np.argsort(ids, kind="stable")
    repeated = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if len(repeated):
        first, second = sorted(int(order[repeated[0] + step]) for step in (0, 1))
        what = f"the id {ids[first]} of row {first} occurs again in row {second}"
        raise UserError(what, where=vectors.name, fix=f"{len(repeated):,} rows repeat an id: remove them.")


def _left_out(vectors: VectorSet, kept: NDArray[Any], other: str) -> str:
    alone = np.setdiff1d(np.arange(len(vectors)), kept)
    first = ", ".join(str(vectors.row_ids[row]) for row in alone[:SHOWN])
    more = ", ..." if len(alone) > SHOWN else ""
    what = f"{vectors.name}: {len(alone):,} of {len(vectors):,} ids are not in {other} and are left out: {first}{more}"
    return what if len(alone) else ""


def check_pairs(old: VectorSet, new: VectorSet) -> PairReport:
    """Check matched vectors of two models.

    NaN, infinite and zero rows are refused, since they have no cosine. Duplicates and mixed normalization are noted:
    duplicates stay, and cosines do not depend on the length of a vector.

    Args:
        old: Vectors by the old model, ``(N, d)``.
        new: Vectors by the new model for the same items, ``(N, D)``.

    Raises:
        UserError: The sets differ in length.

    Example:
        >>> bad = VectorSet(np.array([[1.0, 0.0], [np.nan, 1.0]]), name="old.npy")
        >>> print(check_pairs(bad, VectorSet(np.eye(2))).refused[0])
        old.npy: 1 of 2 vectors contain NaN or infinite numbers: row 1
          Remove these rows from both sets, or drop them with drop_unusable.

    """
    if len(old) != len(new):
        raise UserError(f"expected {len(old):,} vectors as in {old.name}, got {len(new):,}", where=new.name)
    reports = check_vectors(old), check_vectors(new)
    refused, notes = list[UserError](), list[str]()
    for vectors, report in zip((old, new), reports, strict=True):
        count = f"of {len(vectors):,} vectors"
        for what, rows in (("contain NaN or infinite numbers", report.not_finite), ("are zero", report.zero)):
            if len(rows):
                fix = "Remove these rows from both sets, or drop them with drop_unusable."
                problem = f"{len(rows):,} {count} {what}: {named_rows(vectors, rows)}"
                refused.append(UserError(problem, where=vectors.name, fix=fix))
        if len(rows := report.duplicates):
            first = vectors.row(int(report.first_of[0]))
            shown = named_rows(vectors, rows)
            notes.append(f"{vectors.name}: {len(rows):,} {count} equal an earlier one ({first}) and stay: {shown}")
        if len(rows := report.odd_norm):
            shown = named_rows(vectors, rows)
            what = f"some {count} have length 1 and others have not; cosines are compared. In the minority: {shown}"
            notes.append(f"{vectors.name}: {what}")
    unusable = np.union1d(reports[0].unusable, reports[1].unusable)
    usable = np.setdiff1d(np.arange(len(old)), unusable)
    return PairReport(*reports, tuple(refused), tuple(notes), usable)


def pair_vectors(old: VectorSet, new: VectorSet, *, drop_unusable: bool = False) -> VectorPairs:
    """Match the vectors of two models, check them, and refuse or drop unusable rows.

    Args:
        old: Vectors by the old model.
        new: Vectors by the new model.
        drop_unusable: Whether to leave out pairs with a row that is NaN, infinite or zero, instead of refusing them.

    Raises:
        UserError: The sets cannot be matched, or rows are unusable.

    Example:
        >>> bad = VectorSet(np.array([[1.0, 0.0], [0.0, 0.0]]), name="old.npy")
        >>> pairs = pair_vectors(bad, VectorSet(np.eye(2)), drop_unusable=True)
        >>> len(pairs.new), pairs.notes
        (1, ('1 of 2 pairs have an unusable row and are left out',))

    """
    first, second, notes = match_by_id(old, new)
    report = check_pairs(first, second)
    dropped = len(first) - len(report.usable)
    if not drop_unusable:
        report.raise_if_refused()
    elif not len(report.usable):
        raise UserError("no pair has two usable rows", where=new.name)
    elif dropped:
        note = f"{dropped:,} of {len(first):,} pairs have an unusable row and are left out"
        first, second, notes = first.take(report.usable), second.take(report.usable), (*notes, note)
    return VectorPairs(first, second, report, (*notes, *report.notes))
