"""Closed forms agree with scipy, scikit-learn and plain normal equations."""

import numpy as np
import pytest
import torch
from helpers.paired_rows import features, normal, rotation
from scipy import linalg
from torch.nn import functional as F

from clsim.losses import orthogonal_procrustes
from clsim.models.bridges import (
    AffineMap,
    make_bridge,
    moments_of,
    procrustes_map,
    reduce_rank,
    ridge_map,
    squared_error,
)


@pytest.fixture
def pairs():
    """Rows without an exact map between them."""
    source = features(300, 8)
    return source, source @ normal(8, 5, seed=2) + normal(300, 5, seed=3) + 1


def test_procrustes_is_scipys():
    source, target = features(300, 8), features(300, 8, seed=2)
    expected, _ = linalg.orthogonal_procrustes(source.numpy(), target.numpy())
    found = procrustes_map(moments_of(source, target, chunk=70), centered=False)
    np.testing.assert_allclose(found.weight.numpy(), expected, atol=1e-6)
    means = source.mean(0), target.mean(0)
    expected, _ = linalg.orthogonal_procrustes((source - means[0]).numpy(), (target - means[1]).numpy())
    found = procrustes_map(moments_of(source, target, chunk=70), centered=True)
    np.testing.assert_allclose(found.weight.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(found(means[0][None])[0].numpy(), means[1].numpy(), atol=1e-6)


def test_procrustes_of_different_widths_is_that_of_rows(pairs):
    found = procrustes_map(moments_of(*pairs), centered=False).weight
    torch.testing.assert_close(found, orthogonal_procrustes(*pairs), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.T @ found, torch.eye(5), atol=1e-6, rtol=0)


@pytest.mark.parametrize("penalty", [0.0, 0.3, 50.0])
def test_ridge_is_that_of_the_normal_equations(pairs, penalty):
    x, y = (rows.numpy() for rows in pairs)
    a, b = x - x.mean(0), y - y.mean(0)
    weight = linalg.solve(a.T @ a + penalty * np.eye(8), a.T @ b)
    found = ridge_map(moments_of(*pairs, chunk=100), penalty)
    np.testing.assert_allclose(found.weight.numpy(), weight, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.bias.numpy(), y.mean(0) - x.mean(0) @ weight, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("penalty", [0.3, 50.0])
def test_ridge_is_scikit_learns(pairs, penalty):
    linear_model = pytest.importorskip("sklearn.linear_model")
    expected = linear_model.Ridge(alpha=penalty).fit(*(rows.numpy() for rows in pairs))
    found = ridge_map(moments_of(*pairs), penalty)
    np.testing.assert_allclose(found.weight.T.numpy(), expected.coef_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.bias.numpy(), expected.intercept_, rtol=1e-8, atol=1e-8)


def test_without_a_penalty_a_singular_problem_has_the_solution_of_least_norm(pairs):
    x = torch.cat([pairs[0], pairs[0][:, :2]], dim=1)
    a, b = (rows - rows.mean(0) for rows in (x, pairs[1]))
    expected = np.linalg.lstsq(a.numpy(), b.numpy(), rcond=None)[0]
    np.testing.assert_allclose(ridge_map(moments_of(x, pairs[1]), 0.0).weight.numpy(), expected, atol=1e-8)


@pytest.mark.parametrize("rank", [1, 2, 4, 5, 9])
def test_reduced_rank_is_the_truncated_svd_of_the_fitted_values(pairs, rank):
    """Eckart and Young: no rows of that rank are closer to the least-squares fit."""
    source, target = pairs
    full = ridge_map(moments_of(source, target), 0.0)
    found = reduce_rank(full, moments_of(source, target), rank)
    fitted = full(source) - target.mean(0)
    left, values, right = torch.linalg.svd(fitted, full_matrices=False)
    expected = (left[:, :rank] * values[:rank]) @ right[:rank] + target.mean(0)
    torch.testing.assert_close(found(source), expected, atol=1e-8, rtol=0)
    assert int(torch.linalg.matrix_rank(found.weight)) == min(rank, 5)


def test_squared_error_is_that_of_rows(pairs):
    source, target = pairs
    affine = AffineMap(normal(8, 5, seed=7), normal(5, seed=8))
    expected = float((affine(source) - target).square().sum(1).mean())
    assert squared_error(affine, moments_of(source, target, chunk=7)) == pytest.approx(expected, rel=1e-12)


def test_ridge_takes_the_penalty_with_the_least_error_on_validation_pairs():
    """Thirty noisy pairs of width 24 need a strong penalty, many pairs a weak one."""

    def choice(count):
        source, unseen = normal(count, 24), normal(500, 24, seed=3)
        noise = normal(count, 24, seed=4)
        penalties = (1e-6, 1e-3, 1.0, 10.0)
        bridge = make_bridge("ridge", penalties=penalties)
        bridge.fit(source + noise, source, validation=(unseen, unseen))
        moments = moments_of(source, source + noise)
        candidates = [ridge_map(moments, p * float(moments.centered.source.trace()) / 24) for p in penalties]
        errors = [float((each(unseen) - unseen).square().mean()) for each in candidates]
        best = errors.index(min(errors))
        torch.testing.assert_close(bridge.map.weight, candidates[best].weight.float())
        return penalties[best]

    assert choice(30) >= 1.0
    assert choice(20_000) <= 1e-3


def test_lambda_orthogonal_lies_between_a_rotation_and_least_squares():
    source = F.normalize(features(500, 8))
    target = source @ (rotation(8) + 0.5 * normal(8, 8, seed=2))
    moments = moments_of(source, target)
    errors, distances = [], []
    for threshold in (0.0, 1.0, 2.0, 1e6):
        bridge = make_bridge("lambda_orthogonal", threshold=threshold, sharpness=50.0, steps=500)
        bridge.fit(old=target, new=source)
        weight = bridge.map.weight.double()
        distances.append(float(torch.linalg.matrix_norm(weight.T @ weight - torch.eye(8))))
        errors.append(squared_error(bridge.map, moments))
    assert errors == sorted(errors, reverse=True)
    assert distances == sorted(distances)
    assert distances[0] < 0.1
    assert distances[1] < 1.1 < distances[3]
    assert errors[-1] < 1e-6  # least squares finds the map itself
