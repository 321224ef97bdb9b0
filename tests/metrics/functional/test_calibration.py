import math

import numpy as np
import pytest
import torch
from helpers.errors import refused

from clsim.metrics import brier_score, expected_calibration_error, negative_log_likelihood
from clsim.metrics.functional.calibration import calibration_error, score_images


def draw(images=200, classes=7, seed=0):
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (images,), generator=random)
    return 2 * torch.randn(images, classes, generator=random) + 2 * torch.eye(classes)[labels], labels


def plain(logits, labels, classes, bins=15):
    """ECE, NLL and Brier score by loops over images, classes and bins."""
    losses, errors, answers = [], [], []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        powers = {c: math.exp(row[c]) for c in classes}
        p = {c: power / sum(powers.values()) for c, power in powers.items()}
        losses.append(-math.log(p[label]))
        errors.append(sum((p[c] - (c == label)) ** 2 for c in classes))
        best = max(p, key=p.get)
        answers.append((p[best], best == label))
    ece = 0.0
    for b in range(bins):
        inside = [(c, right) for c, right in answers if b / bins < c <= (b + 1) / bins]
        if inside:
            confidence, accuracy = (sum(each) / len(inside) for each in zip(*inside, strict=True))
            ece += len(inside) / len(answers) * abs(accuracy - confidence)
    return ece, sum(losses) / len(losses), sum(errors) / len(errors)


def figures(logits, labels, **kwargs):
    ece = expected_calibration_error(logits, labels, **kwargs)
    return ece, negative_log_likelihood(logits, labels, **kwargs), brier_score(logits, labels, **kwargs)


@pytest.mark.parametrize("seed", range(5))
def test_they_equal_plain_loops(seed):
    logits, labels = draw(seed=seed)
    assert figures(logits, labels) == pytest.approx(plain(logits, labels, range(7)), abs=1e-6)
    four = expected_calibration_error(logits, labels, bins=4)
    assert four == pytest.approx(plain(logits, labels, range(7), bins=4)[0], abs=1e-6)


def test_they_equal_scikit_learn():
    reference = pytest.importorskip("sklearn.metrics")
    logits, labels = (each.numpy() for each in draw())
    probabilities = np.exp(logits.astype(np.float64))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert negative_log_likelihood(logits, labels) == pytest.approx(reference.log_loss(labels, probabilities), rel=1e-6)
    # For two classes the sum over both is twice the score of one.
    two, right = logits[:, :2], labels % 2
    share = 1 / (1 + np.exp((two[:, 0] - two[:, 1]).astype(np.float64)))
    assert brier_score(two, right) == pytest.approx(2 * reference.brier_score_loss(right, share), rel=1e-6)


def test_classes_that_do_not_compete_are_as_if_their_columns_were_missing():
    logits, labels = draw()
    labels = labels % 4
    some = figures(logits, labels, classes=[3, 0, 1, 2])
    assert some == pytest.approx(figures(logits[:, :4], labels))
    assert some == pytest.approx(plain(logits, labels, range(4)), abs=1e-6)
    excluded = logits.clone()
    excluded[:, 4:] = -float("inf")
    assert figures(excluded, labels) == pytest.approx(some)
    assert figures(logits, labels)[1] > some[1] + 0.1


def test_logarithms_of_probabilities_are_logits():
    probabilities = torch.tensor([[0.9, 0.1, 0.0], [0.25, 0.25, 0.5]])
    ece, nll, brier = figures(probabilities.log(), [0, 1])
    assert nll == pytest.approx(-(math.log(0.9) + math.log(0.25)) / 2)
    assert brier == pytest.approx((0.1**2 + 0.1**2 + 0.25**2 + 0.75**2 + 0.5**2) / 2)
    assert ece == pytest.approx((0.1 + 0.5) / 2)


def test_a_bin_holds_its_upper_end():
    # 1 / 2 lies in the first of two bins, where the mistakes of the two images cancel.
    assert calibration_error(torch.tensor([0.5, 0.25]), torch.tensor([True, False]), bins=2) == 0.125
    assert calibration_error(torch.tensor([0.5, 0.75]), torch.tensor([True, False]), bins=2) == 0.625
    assert calibration_error(torch.tensor([0.0, 1.0]), torch.tensor([False, True])) == 0.0


def test_extremes():
    sure = torch.tensor([[1e4, -1e4], [1e4, -1e4]])
    assert figures(sure, [0, 0]) == (0.0, 0.0, 0.0)
    assert figures(sure, [1, 1]) == (1.0, 2e4, 2.0)
    assert negative_log_likelihood([[0.0, -math.inf]], [1]) == math.inf


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_precision_of_the_logits(dtype):
    logits, labels = draw()
    logits = logits.to(dtype)
    assert figures(logits, labels) == pytest.approx(figures(logits.float(), labels), rel=1e-5)
    assert score_images(logits, labels).log_loss.dtype == torch.promote_types(dtype, torch.float32)


def test_wrong_input_is_refused():
    with refused(ValueError, names=("labels", 1)):
        brier_score([[0.0, 1.0]], [2])
    with refused(ValueError, names=("labels", 1)):
        brier_score([[0.0, 1.0]], [-1])
    with refused(ValueError, names=("classes", "[0, 5]")):
        brier_score([[0.0, 1.0]], [0], classes=[0, 5])
    with refused(ValueError, names=("classes", "[]")):
        brier_score([[0.0, 1.0]], [0], classes=[])
    for row in ([math.nan, 0.0], [-math.inf, -math.inf], [math.inf, 0.0]):
        with refused(ValueError, names=("logits",)):
            expected_calibration_error([row], [0])
    with refused(ValueError, names=("bins", 0)):
        calibration_error(torch.ones(1), torch.ones(1), bins=0)
    with refused(ValueError, names=("(2,)", "(1,)")):
        calibration_error(torch.ones(2), torch.ones(1))
    with refused(ValueError, names=("confidence",)):
        calibration_error(torch.tensor([1.5]), torch.ones(1))
