"""Shortened vectors against hand-made values and plain loops."""

import numpy as np
import pytest
import torch

from clsim.auditing.compact import (
    OVERSAMPLING,
    compact_lists,
    hamming_scores,
    nearest,
    nearest_by_bits,
    quantize_int8,
    rescore,
    scores_of,
    sign_bits,
    unit,
)
from clsim.metrics.functional.neighbor_lists import cascade


def drawn(count, width, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(count, width)))


def test_codes_of_8_bits_by_hand():
    rows = np.array([[2.54, -1.28, 0.009, 0.06], [0.0, 0.0, 0.0, 0.0]], dtype=np.float32)
    codes, scales = quantize_int8(rows)
    assert codes.tolist() == [[127, -64, 0, 3], [0, 0, 0, 0]]
    np.testing.assert_allclose(scales, [[0.02], [0.0]], rtol=1e-6)


def test_codes_of_8_bits_are_half_a_step_away_at_most():
    rows = drawn(50, 33)
    codes, scales = quantize_int8(rows)
    assert (np.abs(codes * scales - rows) <= scales * 0.5001).all()
    assert np.abs(codes).max(axis=1).tolist() == [127] * 50


def test_signs_by_hand():
    rows = np.array([[1, -1, 1, 1, -1, -1, -1, 1, 1, 0]], dtype=np.float32)
    assert sign_bits(rows).tolist() == [[0b10110001, 0b10000000]]


@pytest.mark.parametrize("width", [5, 8, 21])
def test_hamming_scores_equal_a_plain_loop(width):
    query, items = drawn(4, width), drawn(7, width, seed=1)
    found = hamming_scores(sign_bits(query), sign_bits(items), width)
    for place, row in enumerate(query):
        differing = [sum((a > 0) != (b > 0) for a, b in zip(row, item, strict=True)) for item in items]
        assert found[place].tolist() == [width - 2 * each for each in differing]


def test_neighbors_by_bits_equal_a_plain_loop_with_its_ties():
    query, items = drawn(9, 12), drawn(200, 12, seed=1)
    found = nearest_by_bits(sign_bits(query), sign_bits(items), 12, 30)
    for place, row in enumerate(query):
        distance = ((items > 0) != (row > 0)).sum(axis=1)
        assert found[place].tolist() == sorted(range(200), key=lambda item, d=distance: (d[item], item))[:30]


def test_rescoring_equals_the_cascade():
    query, rows = drawn(6, 16), drawn(80, 16, seed=1)
    candidates = np.random.default_rng(2).permuted(np.tile(np.arange(80), (6, 1)), axis=1)[:, :25]
    expected = cascade(torch.from_numpy(candidates), torch.from_numpy(query), torch.from_numpy(rows), k=5)
    np.testing.assert_array_equal(rescore(query, rows, candidates, 5), expected.items.numpy())


def test_rescoring_sign_bits_equals_a_plain_loop():
    query, rows, k = drawn(5, 24), drawn(300, 24, seed=1), 4
    found = {each.name: each.items for each in compact_lists(query, rows, k)}["sign bits, rescored"]
    for place, row in enumerate(query):
        distance = ((rows > 0) != (row > 0)).sum(axis=1)
        candidates = sorted(range(300), key=lambda item, d=distance: (d[item], item))[: OVERSAMPLING * k]
        best = sorted(candidates, key=lambda item, row=row: -float(rows[item].astype(float) @ row.astype(float)))[:k]
        assert found[place].tolist() == best


def test_empty_places_are_never_ranked_before_an_item():
    rows = np.eye(3, dtype=np.float32)
    assert rescore(-rows[:1], rows, np.array([[-1, 0, 1]]), 3).tolist() == [[1, 0, -1]]
    assert scores_of(rows[:1], rows, np.array([[-1]])).tolist() == [[-np.inf]]


def test_nearest_items_equal_a_full_sort():
    query, rows = drawn(300, 10), drawn(40, 10, seed=1)
    order = np.argsort(-(query.astype(float) @ rows.T.astype(float)), axis=1)
    np.testing.assert_array_equal(nearest(query, rows, 7), order[:, :7])
    np.testing.assert_array_equal(nearest(query, rows, 40), order)


def test_forms_and_their_bytes():
    query, rows = drawn(8, 32), drawn(100, 32, seed=1)
    forms = {each.name: each for each in compact_lists(query, rows, 5)}
    sizes = {name: each.bytes_per_vector for name, each in forms.items()}
    assert sizes == {
        "first 16 dimensions": 64,
        "first 8 dimensions": 32,
        "first 4 dimensions": 16,
        "float16": 64,
        "int8": 36,
        "sign bits": 4,
        "sign bits, rescored": 132,
    }
    halves = [each[:, :16].astype(np.float64) for each in (query, rows)]
    cosines = halves[0] @ halves[1].T / np.linalg.norm(halves[1], axis=1)
    np.testing.assert_array_equal(forms["first 16 dimensions"].items, np.argsort(-cosines, axis=1)[:, :5])


def test_narrow_vectors_have_fewer_forms():
    names = [each.name for each in compact_lists(drawn(2, 3), drawn(9, 3), 2)]
    assert names[:2] == ["first 1 dimensions", "float16"]
