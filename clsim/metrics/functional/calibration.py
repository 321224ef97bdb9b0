r"""Calibration of class probabilities: logits and labels in, numbers out.

The probabilities are the softmax of the logits over the classes that compete. Pass the logarithms of probabilities
where a model returns probabilities. A logit of minus infinity excludes its class from an image's softmax. Imports torch
only when it computes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from clsim.metrics.functional.checks import Features, Labels, as_count, as_features, as_labels

if TYPE_CHECKING:
    from torch import Tensor

BINS = 15
"""Bins of equal width of the expected calibration error (arXiv 1706.04599)."""


class ImageScores(NamedTuple):
    """What calibration needs of each image, ``(N,)`` each.

    Attributes:
        confidence: Largest probability.
        correct: 1 where the class of the largest probability is the label, else 0.
        log_loss: Negative logarithm of the label's probability; infinite if the label's class is excluded.
        squared_error: Sum over the classes of the squared difference of probability and one-hot label, 0 to 2.

    """

    confidence: Tensor
    correct: Tensor
    log_loss: Tensor
    squared_error: Tensor


def score_images(logits: Tensor, labels: Tensor, excluded: Tensor | None = None) -> ImageScores:
    """Return the scores of a batch of images, without synchronizing the device.

    Args:
        logits: Logits, ``(N, C)``. The softmax is computed in float32 at least.
        labels: Class ids, ``(N,)``, each a column of the logits.
        excluded: Mask of columns that do not compete, ``(C,)`` bool. The default excludes none.

    Example:
        >>> import torch
        >>> logits, excluded = torch.tensor([[0.0, 0.0, 9.0]]), torch.tensor([False, False, True])
        >>> scores = score_images(logits, torch.tensor([1]), excluded)
        >>> scores.confidence.item(), scores.squared_error.item()
        (0.5, 0.5)

    """
    import torch

    logits = logits.detach().to(torch.promote_types(logits.dtype, torch.float32))
    if excluded is not None:
        logits = logits.masked_fill(excluded, -float("inf"))
    own = labels[:, None]
    log_probability = logits.log_softmax(dim=1)
    log_loss = 0.0 - log_probability.gather(1, own).squeeze(1)
    probability = log_probability.exp_()
    confidence, predicted = probability.max(dim=1)
    probability.scatter_add_(1, own, probability.new_full(own.shape, -1.0))
    return ImageScores(
        confidence, (predicted == labels).to(confidence.dtype), log_loss, probability.square_().sum(dim=1)
    )


def calibration_error(confidence: Tensor, correct: Tensor, bins: int = BINS) -> float:
    r"""Return ECE: the mean distance of confidence and accuracy over bins of equal width, weighted by their images.

    .. math:: ECE = \sum_b \frac{n_b}{N} |acc_b - conf_b|

    Bin ``b`` of ``B`` holds the confidences in :math:`(b / B, (b + 1) / B]`.

    Args:
        confidence: Probability of the prediction of each image, ``(N,)``, in [0, 1].
        correct: Correctness of the prediction of each image, ``(N,)``, bool or 0 and 1.
        bins: Number of bins.

    Returns:
        Fraction.

    Raises:
        ValueError: Shapes differ, there is no image, a confidence is outside [0, 1], or ``bins`` is below 1.

    Source: Guo et al. (arXiv 1706.04599), equation 3.

    Example:
        >>> import torch
        >>> calibration_error(torch.tensor([0.75, 0.75]), torch.tensor([True, False]))
        0.25

    """
    import torch

    bins = as_count(bins, "bins")
    if confidence.ndim != 1 or confidence.shape != correct.shape or not len(confidence):
        shapes = f"{tuple(confidence.shape)} and {tuple(correct.shape)}"
        raise ValueError(f"calibration needs two vectors of one length, got {shapes}")
    confidence, correct = confidence.double().cpu(), correct.double().cpu()
    if not bool(((confidence >= 0) & (confidence <= 1)).all()):
        raise ValueError("confidence: expected probabilities from 0 to 1")
    place = (confidence * bins).ceil().long().sub_(1).clamp_min_(0)
    gaps = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, correct - confidence)
    return float(gaps.abs().sum()) / len(confidence)


def expected_calibration_error(
    logits: Features, labels: Labels, bins: int = BINS, *, classes: Iterable[int] | None = None
) -> float:
    """Return ECE of the softmax of logits, see :func:`calibration_error`.

    Args:
        logits: Logits, ``(N, C)``, minus infinity for classes that do not compete.
        labels: Class ids, ``(N,)``, each a column of the logits.
        bins: Number of bins.
        classes: Columns that compete; ``None`` for all.

    Raises:
        ValueError: Shapes or types do not fit, a label or class is no column, an input is empty, or a row is NaN.

    Example:
        >>> round(expected_calibration_error([[0.0, 0.0], [0.0, 0.0]], [0, 0]), 3)  # says 0.5, is always right
        0.5

    """
    scores = _scored(logits, labels, classes)
    return calibration_error(scores.confidence, scores.correct, bins)


def negative_log_likelihood(logits: Features, labels: Labels, *, classes: Iterable[int] | None = None) -> float:
    r"""Return NLL: the mean of :math:`-\ln p_i(y_i)` in nats, infinite if a label's class is excluded.

    Takes the arguments of :func:`expected_calibration_error`.

    Example:
        >>> round(negative_log_likelihood([[0.0, 0.0]], [1]), 4)
        0.6931

    """
    return float(_scored(logits, labels, classes).log_loss.double().mean())


def brier_score(logits: Features, labels: Labels, *, classes: Iterable[int] | None = None) -> float:
    r"""Return the Brier score: the mean of :math:`\sum_c (p_i(c) - [c = y_i])^2`, from 0 to 2.

    Takes the arguments of :func:`expected_calibration_error`.

    Source: Brier, "Verification of forecasts expressed in terms of probability" (1950), equation 2.

    Example:
        >>> brier_score([[0.0, 0.0]], [1])
        0.5

    """
    return float(_scored(logits, labels, classes).squared_error.double().mean())


def _scored(logits: Features, labels: Labels, classes: Iterable[int] | None) -> ImageScores:
    import torch

    logits = as_features(logits, "logits")
    labels = as_labels(labels, "labels", len(logits)).to(logits.device)
    columns = range(logits.shape[1])
    if not all(label in columns for label in (int(labels.min()), int(labels.max()))):
        raise ValueError(f"labels: expected columns 0 to {len(columns) - 1} of the logits")
    excluded = None
    if classes is not None:
        chosen = sorted(set(classes))
        if not chosen or chosen[0] < 0 or chosen[-1] not in columns:
            raise ValueError(f"classes: expected columns 0 to {len(columns) - 1} of the logits, got {chosen}")
        excluded = torch.ones(len(columns), dtype=torch.bool, device=logits.device)
        excluded[chosen] = False
    scores = score_images(logits, labels, excluded)
    if bool(scores.confidence.isnan().any()):
        raise ValueError("logits: NaN or infinite numbers, or a row that excludes every class")
    return scores
