"""The bound holds for the best rotation, and its sum over pairs is that of a plain loop."""

import pytest
import torch
from helpers.paired_rows import features, normal, rotation
from torch.nn import functional as F

from clsim.models.bridges import make_bridge, procrustes_bound


def padded(rows, width):
    return F.pad(rows, (0, width - rows.shape[1]))


@pytest.mark.parametrize("widths", [(6, 6), (4, 9), (9, 4)])
def test_delta_is_that_of_a_loop_over_pairs(widths):
    old, new = (F.normalize(features(25, width, seed=seed)) for seed, width in enumerate(widths))
    squares = [(float(old[i] @ old[j]) - float(new[i] @ new[j])) ** 2 for i in range(25) for j in range(25) if i != j]
    assert procrustes_bound(5 * old, new, chunk=4).delta == pytest.approx((sum(squares) / len(squares)) ** 0.5)


@pytest.mark.parametrize("widths", [(6, 6), (4, 9), (9, 4)])
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.1, 1.0])
def test_the_best_rotation_is_within_the_bound(widths, noise):
    wide = F.normalize(features(200, max(widths), seed=1))
    turned = (wide @ rotation(max(widths)))[:, : min(widths)]
    new, old = (wide, turned) if widths[1] > widths[0] else (turned, wide)
    old = F.normalize(old + noise * normal(*old.shape, seed=2))
    new = F.normalize(new)
    width = max(widths)
    bridge = make_bridge("procrustes").fit(padded(old, width), padded(new, width))
    error = float((bridge.transform(padded(new, width)).double() - padded(old, width)).square().sum(1).mean())
    bound = procrustes_bound(old, new)
    assert error <= bound.error + 1e-9
    assert 1 - error / 2 >= bound.cosine - 1e-9


def test_a_rotation_has_the_bound_zero():
    rows = features(100, 8)
    bound = procrustes_bound(rows @ rotation(8), rows)
    assert bound.error == pytest.approx(0, abs=1e-6)
    assert bound.informative


def test_unrelated_rows_have_a_bound_that_says_nothing():
    bound = procrustes_bound(torch.eye(16).repeat(5, 1), torch.ones(80, 16))
    assert not bound.informative
    assert bound.cosine == -1
