"""Unusual rows are found, wherever the chunks end."""

import numpy as np
import pytest
from helpers.vector_files import some_rows

from clsim.data.vectors import VectorSet, check_vectors
from clsim.data.vectors.checks import named_rows, row_hashes


def report_of(rows, **settings):
    return check_vectors(VectorSet(np.asarray(rows), **settings))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_finds_nan_infinite_and_zero_rows(dtype):
    rows = some_rows(40, 5, dtype)
    rows[3, 1], rows[17, 4], rows[39, 0], rows[8] = np.nan, np.inf, -np.inf, 0
    rows[9] = -0.0
    report = report_of(rows)
    assert report.not_finite.tolist() == [3, 17, 39]
    assert report.zero.tolist() == [8, 9]
    assert report.unusable.tolist() == [3, 8, 9, 17, 39]
    assert len(report.duplicates) == 0


def test_chunks_change_nothing(monkeypatch):
    rows = some_rows(50, 4)
    rows[30], rows[49], rows[10] = rows[2], rows[2], np.nan
    whole = report_of(rows)
    assert whole.duplicates.tolist() == [30, 49]
    assert whole.first_of.tolist() == [2, 2]
    chunks = VectorSet.chunks
    monkeypatch.setattr(VectorSet, "chunks", lambda self: chunks(self, 7))
    parts = report_of(rows)
    for name in ("not_finite", "zero", "duplicates", "first_of", "odd_norm"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert parts.norms == whole.norms


def test_duplicates_are_those_of_a_loop():
    rows = np.random.default_rng(0).integers(0, 2, (300, 7)).astype(np.float32) + 1
    seen, later, first = {}, [], []
    for number, row in enumerate(map(tuple, rows)):
        if row in seen:
            later.append(number)
            first.append(seen[row])
        seen.setdefault(row, number)
    report = report_of(rows)
    assert report.duplicates.tolist() == later
    assert report.first_of.tolist() == first


def test_equal_hashes_are_no_proof(monkeypatch):
    monkeypatch.setattr("clsim.data.vectors.checks.row_hashes", lambda rows: np.zeros(len(rows), dtype=np.uint64))
    assert report_of([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]]).duplicates.tolist() == [2]


def test_hashes_of_similar_rows_differ():
    grid = np.stack(np.meshgrid(*[np.arange(8, dtype=np.float32)] * 5), axis=-1).reshape(-1, 5)
    assert len(np.unique(row_hashes(grid))) == len(grid) == 8**5


@pytest.mark.parametrize(
    ("lengths", "normalization", "odd"),
    [
        ([1.0] * 40, "unit", []),
        ([1.001] * 40, "unit", []),
        ([7.0] * 40, "none", []),
        ([1.0] + [7.0] * 39, "none", []),
        ([1.0] * 39 + [7.0], "mixed", [39]),
        ([1.0] * 4 + [7.0] * 36, "mixed", [0, 1, 2, 3]),
    ],
)
def test_normalization(lengths, normalization, odd):
    rows = some_rows(len(lengths), 5)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True) * np.array(lengths, dtype=np.float32)[:, None]
    report = report_of(rows.astype(np.float32))
    assert report.normalization == normalization
    assert report.odd_norm.tolist() == odd
    assert report.norms == pytest.approx((min(lengths), max(lengths)), rel=1e-5)


def test_lengths_neither_overflow_nor_vanish():
    report = report_of(np.array([[3e38, 3e38], [1e-40, 0.0]], dtype=np.float32))
    assert report.norms == pytest.approx((1e-40, 3e38 * 2**0.5), rel=1e-3)
    assert len(report.unusable) == 0


def test_rows_are_named_with_their_ids():
    vectors = VectorSet(np.eye(3), ids=np.array(["x", "y", "z"])).take(np.array([2, 1]))
    assert named_rows(vectors, np.array([0, 1])) == "row 2 (id z), row 1 (id y)"
