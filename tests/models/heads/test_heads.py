"""Equations of the heads against scikit-learn, scipy or a plain loop, and what every head has in common."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from helpers.errors import refused
from scipy.spatial.distance import mahalanobis
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import NearestCentroid

from clsim.losses import EXCLUDED, balanced_softmax_cross_entropy, calibrated_prototypes, prototypes
from clsim.models.heads import BiMC, ClosedFormHead, FeCAM, JointLinear, NearestMean, RanPAC, Teen, TipAdapter
from clsim.models.heads.bimc import shared_mahalanobis
from clsim.models.heads.covariance import (
    class_factors,
    covariance_factor,
    leading_factor,
    mixed_covariances,
    mixed_factors,
)
from clsim.models.heads.fecam import correlation_mahalanobis, tukey
from clsim.models.heads.joint import joint_loss, joint_solution
from clsim.models.heads.ranpac import chosen_ridge, drawn_features, ridge_solution
from clsim.models.heads.tip_adapter import cache_logits
from clsim.utils.errors import ArgumentError

WIDTH, CLASSES = 6, 5


def drawn(count: int = 60, classes: int = 3, first: int = 0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Positive features around a place of their own for every class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes + first
    centers = 3 * torch.rand(CLASSES, WIDTH, generator=torch.Generator().manual_seed(99))
    return (centers[labels] + 0.4 * torch.randn(count, WIDTH, generator=generator)).abs(), labels


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


HEADS = {
    "ncm": lambda: NearestMean(WIDTH, CLASSES),
    "teen": lambda: Teen(WIDTH, CLASSES),
    "fecam": lambda: FeCAM(WIDTH, CLASSES),
    "ranpac": lambda: RanPAC(WIDTH, CLASSES, dimensions=40, draws=50),
    "joint": lambda: JointLinear(WIDTH, CLASSES),
    "tip_adapter": lambda: TipAdapter(torch.eye(CLASSES, WIDTH), shots=4),
    "bimc": lambda: BiMC(torch.eye(CLASSES, WIDTH), first_opinion=0.6),
}


def two_sessions(head: ClosedFormHead) -> ClosedFormHead:
    torch.manual_seed(0)
    base, few = drawn(), drawn(10, 2, first=3, seed=1)
    head.learn(*base, session=0)
    joined = tuple(torch.cat(parts) for parts in zip(base, few, strict=True))
    head.learn(*(joined if isinstance(head, JointLinear) else few), session=1)
    return head


@pytest.mark.parametrize("name", HEADS)
def test_every_head_learns_and_its_state_is_all_it_learned(name):
    torch.manual_seed(1)
    head = HEADS[name]()
    other = copy.deepcopy(head)
    two_sessions(head)
    features, labels = (torch.cat(parts) for parts in zip(drawn(seed=5), drawn(20, 2, first=3, seed=6), strict=True))
    if name != "bimc" and name != "tip_adapter":  # the texts of these know nothing of the classes
        assert (head(features).argmax(1) == labels).float().mean() > 0.85
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(features), head(features))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head(features), other(features.float()))
        assert head(features).dtype == torch.float32


@pytest.mark.parametrize("name", HEADS)
def test_classes_not_learned_are_excluded(name):
    head = HEADS[name]()
    head.learn(*drawn(), session=0)
    logits = head(drawn(seed=3)[0])
    assert (logits[:, 3:] == EXCLUDED).all()
    assert (logits[:, :3] > EXCLUDED / 2).all()
    assert head.learned.tolist() == head.base.tolist() == [True] * 3 + [False] * 2


def test_nearest_mean_is_scikit_learns_centroids_by_cosine():
    features, labels = drawn()
    head = NearestMean(WIDTH, CLASSES)
    head.learn(features, labels, session=0)
    reference = NearestCentroid().fit(features.numpy(), labels.numpy())
    np.testing.assert_allclose(head.rows[:3], reference.centroids_, rtol=1e-5)
    new = drawn(seed=4)[0]
    expected = 16 * unit(new.numpy()) @ unit(reference.centroids_).T
    np.testing.assert_allclose(head(new)[:, :3], expected, rtol=1e-4)


def test_teen_is_a_loop_over_the_classes():
    few, known = torch.rand(4, WIDTH), torch.rand(3, WIDTH)
    found = calibrated_prototypes(few, known, shift=0.3, sharpness=16.0).numpy()
    base = unit(known.numpy())
    for row, made in zip(unit(few.numpy()), found, strict=True):
        similarity = np.array([np.exp(16 * row @ one) for one in base])
        mixed = sum(weight * one for weight, one in zip(similarity / similarity.sum(), base, strict=True))
        np.testing.assert_allclose(made, 0.7 * row + 0.3 * unit(mixed), rtol=1e-4)


def test_a_full_factor_gives_numpys_covariance():
    features, labels = drawn()
    classes, factors = class_factors(features, labels, WIDTH)
    for label, factor in zip(classes.tolist(), factors, strict=True):
        expected = np.cov(features[labels == label].numpy().T)
        np.testing.assert_allclose(factor @ factor.T, expected, rtol=1e-3, atol=1e-5)
    assert covariance_factor(features[:1], 3).abs().sum() == 0


def test_mixed_factors_give_the_weighted_sums():
    base, own, weights = torch.rand(3, WIDTH, 2), torch.rand(2, WIDTH, 2), torch.rand(2, 3)
    mixed = mixed_factors(base, weights, own, WIDTH)
    for found, row, mine in zip(mixed, weights, own, strict=True):
        expected = sum(w * f @ f.T for w, f in zip(row, base, strict=True)) + mine @ mine.T
        torch.testing.assert_close(found @ found.T, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("block", [1, 4, WIDTH, 100])
def test_mixed_covariances_are_the_same_in_blocks_of_any_size(block):
    base, weights = torch.rand(3, WIDTH, 2), torch.rand(2, 3)
    expected = torch.stack([sum(w * f @ f.T for w, f in zip(row, base, strict=True)) for row in weights])
    torch.testing.assert_close(mixed_covariances(base, weights, block), expected)


def test_a_leading_factor_is_the_best_of_its_rank():
    rows = torch.rand(40, WIDTH)
    covariance = torch.cov(rows.T)
    left, lengths, right = np.linalg.svd(covariance.double().numpy())
    expected = (left[:, :2] * lengths[:2]) @ right[:2]
    found = leading_factor(covariance, 2)
    np.testing.assert_allclose(found @ found.T, expected, rtol=1e-3, atol=1e-5)
    wide = leading_factor(covariance, WIDTH + 3)
    torch.testing.assert_close(wide @ wide.T, covariance, rtol=1e-4, atol=1e-6)
    assert wide[:, WIDTH:].abs().sum() == 0


def test_fecams_distance_is_scipys_under_the_correlation():
    factor, differences, ridge = torch.rand(WIDTH, 3), torch.randn(5, WIDTH), 0.3
    covariance = (factor @ factor.T).numpy() + ridge * np.eye(WIDTH)
    sigma = np.sqrt(np.diag(covariance))
    inverse = np.linalg.inv(covariance / np.outer(sigma, sigma))
    expected = [mahalanobis(row, np.zeros(WIDTH), inverse) ** 2 for row in differences.numpy()]
    np.testing.assert_allclose(correlation_mahalanobis(differences, factor, torch.tensor(ridge)), expected, rtol=1e-3)


def test_fecam_computes_distances_with_what_it_learned_last():
    head = two_sessions(HEADS["fecam"]())
    rows = torch.rand(4, WIDTH)
    head(rows)  # the inverses of now
    head.learn(*drawn(10, 2, first=3, seed=7), session=2)
    for label in range(CLASSES):
        differences = torch.nn.functional.normalize(rows) - torch.nn.functional.normalize(head.means[label], dim=0)
        expected = -correlation_mahalanobis(differences, head.factors[label], head.ridges[label])
        torch.testing.assert_close(head(rows)[:, label], expected)


def test_tukeys_power_refuses_negative_features():
    with refused(ArgumentError, names=("0.5",)):
        tukey(torch.tensor([[-1.0]]), 0.5)


def test_the_ridge_solution_is_scikit_learns():
    features, targets = torch.rand(30, 8), torch.rand(30, 3)
    found = ridge_solution(features.T @ features, features.T @ targets, 0.7)
    reference = Ridge(alpha=0.7, fit_intercept=False).fit(features.numpy(), targets.numpy())
    np.testing.assert_allclose(found.T, reference.coef_, rtol=1e-3, atol=1e-4)


def test_the_chosen_ridge_has_the_least_error_on_rows_held_out():
    features, targets, ridges = torch.rand(50, 8), torch.rand(50, 3), (0.01, 1.0, 100.0)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    errors = {}
    for ridge in ridges:
        fitted = Ridge(alpha=ridge, fit_intercept=False).fit(features[order[:40]], targets[order[:40]])
        errors[ridge] = ((fitted.predict(features[order[40:]]) - targets[order[40:]].numpy()) ** 2).mean()
    assert chosen_ridge(features, targets, ridges) == min(errors, key=errors.get)


def test_ranpac_without_calibration_is_ridge_regression_on_all_sessions_together():
    head = RanPAC(WIDTH, CLASSES, dimensions=20, few_shots=0)
    two_sessions(head)
    features, labels = (torch.cat(parts) for parts in zip(drawn(), drawn(10, 2, first=3, seed=1), strict=True))
    lifted = torch.relu(features @ head.projection).double().numpy()
    reference = Ridge(alpha=float(head.ridge), fit_intercept=False).fit(lifted, np.eye(CLASSES)[labels])
    np.testing.assert_allclose(head(features), reference.predict(lifted), rtol=1e-2, atol=1e-3)


def test_drawn_features_have_the_wanted_mean_and_covariance():
    torch.manual_seed(0)
    mean, base, own = torch.rand(3), torch.rand(2, 3, 2), torch.rand(3, 1)
    weights = torch.tensor([0.25, 0.75])
    rows = drawn_features(mean, base, weights, own, 200_000, 0.5)
    covariance = 0.5 * sum(w * f @ f.T for w, f in zip(weights, base, strict=True)) + 0.5 * own @ own.T
    torch.testing.assert_close(rows.mean(0), mean, rtol=0, atol=0.01)
    torch.testing.assert_close(torch.cov(rows.T), covariance, rtol=0, atol=0.02)


def test_the_joint_solution_is_scikit_learns_logistic_regression():
    features, labels = drawn(count=90)
    start = (torch.zeros(3, WIDTH), torch.zeros(3))
    weight, bias = joint_solution(features, labels, start, decay=0.01, gap=1e-8)
    reference = LogisticRegression(C=1 / (0.01 * 90), tol=1e-8, max_iter=5000).fit(features.numpy(), labels.numpy())
    found = torch.nn.functional.linear(features, weight, bias).softmax(1)
    np.testing.assert_allclose(found, reference.predict_proba(features.numpy()), atol=2e-3)


def test_the_joint_solution_is_as_close_to_the_minimum_as_it_says():
    features, labels = drawn(count=90)
    features = features * torch.logspace(0, 1, WIDTH)  # badly scaled
    start = torch.zeros(3, WIDTH), torch.zeros(3)
    counts = labels.bincount()

    def loss(found):
        return float(joint_loss(*found, features, labels, decay=0.01, counts=counts))

    least = loss(joint_solution(features, labels, start, decay=0.01, counts=counts, gap=1e-10, iterations=5000))
    for gap in (1e-1, 1e-3, 1e-5):
        assert loss(joint_solution(features, labels, start, decay=0.01, counts=counts, gap=gap)) <= least + gap + 1e-6
    other = torch.randn(3, WIDTH), torch.randn(3)
    assert loss(joint_solution(features, labels, other, decay=0.01, counts=counts, iterations=2000)) <= least + 2e-5


def test_balanced_softmax_is_a_loop_and_equal_counts_change_nothing():
    logits, labels, counts = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([500, 5, 1])
    scaled = counts.numpy() * np.exp(logits.numpy())
    expected = -np.mean([np.log(scaled[row, label] / scaled[row].sum()) for row, label in enumerate(labels.tolist())])
    assert float(balanced_softmax_cross_entropy(logits, labels, counts)) == pytest.approx(expected, rel=1e-4)
    plain = torch.nn.functional.cross_entropy(logits, labels)
    torch.testing.assert_close(balanced_softmax_cross_entropy(logits, labels, torch.full((3,), 7)), plain)


def test_tip_adapters_cache_is_a_loop():
    features, keys, values = torch.rand(4, 3), torch.rand(5, 3), torch.eye(5)[:, :2]
    found = cache_logits(features, keys, values, 2.0)
    for row, feature in enumerate(features):
        for column in range(2):
            near = sum(
                np.exp(-2 * (1 - float(feature @ k))) * float(v[column]) for k, v in zip(keys, values, strict=True)
            )
            assert float(found[row, column]) == pytest.approx(near, rel=1e-4)


def test_tip_adapter_searches_on_the_base_session_alone():
    head = TipAdapter(torch.eye(CLASSES, WIDTH), shots=4, alpha=1.17, beta=1.0)
    head.learn(*drawn(count=12), session=0)  # all of them are in the cache
    assert (float(head.alpha), float(head.beta)) == pytest.approx((1.17, 1.0))
    head = TipAdapter(torch.eye(CLASSES, WIDTH), shots=4)
    head.learn(*drawn(), session=0)
    chosen = (float(head.alpha), float(head.beta))
    features, labels = drawn()
    rest = torch.cat([(labels == label).nonzero().flatten()[4:] for label in range(3)])
    best = (head(features[rest]).argmax(1) == labels[rest]).float().mean()
    for alpha, beta in ((0.5, 0.35), (5.0, 3.5), (10.0, 7.0)):
        head.alpha.fill_(alpha)
        head.beta.fill_(beta)
        assert (head(features[rest]).argmax(1) == labels[rest]).float().mean() <= best
    head.alpha.fill_(chosen[0])
    head.beta.fill_(chosen[1])
    head.learn(*drawn(40, 2, first=3, seed=1), session=1)
    assert (float(head.alpha), float(head.beta)) == chosen


def test_bimcs_distance_is_scikit_learns_shared_covariance():
    features, labels = drawn()
    classes, means = prototypes(features, labels)
    reference = LinearDiscriminantAnalysis(solver="lsqr", store_covariance=True).fit(features, labels)
    covariance = torch.from_numpy(np.asarray(reference.covariance_)).float()
    found = shared_mahalanobis(features, means, covariance)
    inverse = np.linalg.inv(reference.covariance_)
    expected = [[mahalanobis(row, mean, inverse) ** 2 for mean in reference.means_] for row in features.numpy()]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    assert classes.tolist() == [0, 1, 2]


def test_bimc_is_a_loop_over_the_classes():
    texts = torch.eye(CLASSES, WIDTH)
    head = two_sessions(BiMC(texts, text_weight=0.65, shift=0.1, first_opinion=0.6))
    (base, labels), (few, new) = drawn(), drawn(10, 2, first=3, seed=1)
    images = [unit(unit(base[labels == c].numpy()).mean(0)) for c in range(3)]
    for label in (3, 4):
        own = unit(unit(few[new == label].numpy()).mean(0))
        near = np.array([np.exp(16 * own @ image) for image in images[:3]])
        images.append(unit(0.9 * own + 0.1 * unit((near / near.sum()) @ np.stack(images[:3]))))
    covariance = np.zeros((WIDTH, WIDTH))
    for rows, ridge, share in ((base, 1, 3 / 5), (few, 5, 2 / 5)):
        found = np.cov(unit(rows.numpy()).T)
        covariance += share * (found + ridge * np.diag(found).mean() * np.eye(WIDTH))
    query = unit(drawn(seed=7)[0][0].numpy())
    rows = [unit(0.65 * text + 0.35 * image) for text, image in zip(texts.numpy(), images, strict=True)]
    first = np.exp([query @ row for row in rows])
    distances = [mahalanobis(query, image, np.linalg.inv(covariance)) ** 2 for image in images]
    near, described = np.exp(-np.array(distances) / 512), np.exp(texts.numpy() @ query)
    second = np.where(np.arange(5) < 3, near / near.sum(), described / described.sum())
    expected = 0.6 * first / first.sum() + 0.4 * second
    found = head(torch.from_numpy(query).float().unsqueeze(0)).exp()[0]
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-3)
