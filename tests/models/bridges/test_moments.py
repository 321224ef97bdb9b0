"""Moments do not depend on the chunks and read any rows."""

import numpy as np
import pytest
import torch
from helpers.errors import refused
from helpers.paired_rows import features, normal

from clsim.models.bridges import moments_of
from clsim.utils.errors import ArgumentError


def same(found, expected):
    for name in ("source_sum", "target_sum", "source", "cross", "target"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_chunks_add_up(chunk):
    source, target = features(50, 4), features(50, 3, seed=1)
    same(moments_of(source, target, chunk), moments_of(source, target))
    same(moments_of(source[:20], target[:20]) + moments_of(source[20:], target[20:]), moments_of(source, target))
    same(moments_of(source, target).swapped, moments_of(target, source))


def test_centered_moments_are_those_of_centered_rows():
    source, target = features(50, 4), features(50, 3, seed=1)
    same(moments_of(source, target).centered, moments_of(source - source.mean(0), target - target.mean(0)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
def test_reads_memory_maps_of_any_type(tmp_path, dtype):
    rows = (normal(40, 5) * 20).numpy().astype(dtype)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    exact = torch.from_numpy(rows.astype(np.float64))
    same(moments_of(mapped, mapped, chunk=9), moments_of(exact, exact))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_refuses_rows_that_are_not_finite(bad):
    rows = torch.ones(5, 2)
    rows[3, 1] = bad
    with refused(ArgumentError, names=["NaN"]):
        moments_of(rows, torch.ones(5, 2))
