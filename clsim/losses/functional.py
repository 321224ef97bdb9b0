"""Losses as pure functions of tensors."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from clsim.utils.errors import ArgumentError

EXCLUDED = -1e4
"""Logit of an excluded class. Its softmax is exactly 0 in float32 and bfloat16. Unlike minus infinity, it gives no NaN
in losses that multiply a probability by a log-probability."""


def excluded_columns(columns: int, classes: Tensor) -> Tensor:
    """Return a mask of the columns of logits that belong to excluded classes.

    Args:
        columns: Number of class ids.
        classes: Ids of the included classes, ``(K,)``.

    Returns:
        ``(columns,)`` bool on the device of ``classes``.

    Example:
        >>> excluded_columns(3, torch.tensor([0, 2]))
        tensor([False,  True, False])

    """
    # Assigning by index would copy a number from the CPU and make the host wait for a GPU.
    return torch.ones(columns, dtype=torch.bool, device=classes.device).index_fill_(0, classes, False)


def exclude_classes(logits: Tensor, classes: Tensor) -> Tensor:
    """Return logits with all but some classes excluded.

    Args:
        logits: Logits ``(B, C)``.
        classes: Ids of the included classes, ``(K,)``.

    Returns:
        ``(B, C)`` with all other columns set to :data:`EXCLUDED`, without gradient.

    Example:
        >>> exclude_classes(torch.zeros(1, 3), torch.tensor([0, 2])).softmax(1)
        tensor([[0.5000, 0.0000, 0.5000]])

    """
    return logits.masked_fill(excluded_columns(logits.shape[1], classes.to(logits.device)), EXCLUDED)


def current_class_cross_entropy(logits: Tensor, labels: Tensor, classes: Tensor) -> Tensor:
    r"""Return the cross-entropy over the classes of the current session only (CPE-CLIP).

    .. math:: L = -\frac1B \sum_i \log \frac{\exp l_{i,y_i}}{\sum_{c \in C_t} \exp l_{i,c}}

    The authors compute logits of all seen classes and overwrite the old ones with -9999
    (``CoLeLib/training/strategies/clip_pe.py``). Value and gradient are equal.

    Args:
        logits: Logits over all classes, ``(B, C)``.
        labels: Class ids, ``(B,)``, each among ``classes``.
        classes: Ids of the current session's classes, ``(K,)``.

    Returns:
        Mean over the batch, a scalar.

    Example:
        >>> current_class_cross_entropy(torch.zeros(1, 5), torch.tensor([4]), torch.tensor([3, 4]))  # log 2
        tensor(0.6931)

    """
    return F.cross_entropy(exclude_classes(logits, classes), labels)


def higher_order_compatibility(
    new: Tensor,
    old: Tensor,
    labels: Tensor,
    mu: float = 10.0,
    same_class: Literal["counted", "excluded"] = "counted",
) -> Tensor:
    r"""Return the HOC loss: pull new features to the image's old ones, push them from old ones of other classes.

    With :math:`S_{nm} = \mu \langle \hat u_n, \hat v_m \rangle` for normalized old features :math:`\hat u` and
    new ones :math:`\hat v`,

    .. math:: L = \frac1B \sum_n \Big[ -S_{nn} + \log \Big(
        \sum_{m: y_m \ne y_n} e^{S_{nm}} + \#\{m : y_m = y_n\} \Big) \Big]

    Args:
        new: Features by the model in training, ``(B, D)``.
        old: Features of the same images by the model to stay compatible with, ``(B, D)``.
        labels: Class ids, ``(B,)``.
        mu: Inverse temperature :math:`\mu` of the similarity.
        same_class: Treatment of images of the same class, the image itself included. ``counted`` is the published
            loss, where each adds 1 to the sum (its entry is multiplied by 0 before the exponential). ``excluded``
            omits them; an image without another class in the batch then adds only :math:`-S_{nn}`.

    Returns:
        Mean over the batch, a scalar. Negative if features agree, since the denominator omits the positive pair.

    Raises:
        ValueError: ``same_class`` is unknown.

    Source: arXiv 2405.02581, equation 4; ``methods/hoc.py`` of the authors' code.

    Example:
        >>> eye = torch.eye(2)
        >>> round(float(higher_order_compatibility(eye, eye, torch.tensor([0, 1]))), 4)  # -10 + log(1 + 1)
        -9.3069
        >>> round(float(higher_order_compatibility(eye, eye, torch.tensor([0, 1]), same_class="excluded")), 4)
        -10.0

    """
    _check_rows(new, old, labels)
    _check_number("mu", mu)
    similarity = mu * F.normalize(old, dim=1) @ F.normalize(new, dim=1).T
    same = labels.unsqueeze(1) == labels.unsqueeze(0)
    if same_class == "counted":
        spread = similarity.masked_fill(same, 0.0).logsumexp(1)
    elif same_class == "excluded":
        alone = same.all(1)
        masked = similarity.masked_fill(same & ~alone.unsqueeze(1), -torch.inf)
        spread = masked.logsumexp(1).masked_fill(alone, 0.0)
    else:
        raise ValueError(f"same_class: expected 'counted' or 'excluded', got {same_class!r}")
    return (spread - similarity.diagonal()).mean()


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    r"""Return the label-smoothed cross-entropy over the included classes.

    .. math:: L = \frac1B \sum_i \Big[ -(1 - s) \log p_{i,y_i} - \frac{s}{|C|} \sum_{c \in C} \log p_{i,c} \Big]

    Args:
        logits: Logits ``(B, C)``, float32. Classes that :func:`exclude_classes` excluded get no smoothing.
        labels: Class ids, ``(B,)``.
        label_smoothing: Smoothing :math:`s`, in [0, 1].

    Returns:
        Mean over the batch, a scalar.

    Source: ``utils`` of OCA's authors' code. torch's cross-entropy would smooth over excluded classes too.

    Example:
        >>> logits = exclude_classes(torch.tensor([[1.0, 1.0, 9.0]]), torch.tensor([0, 1]))
        >>> round(float(smoothed_cross_entropy(logits, torch.tensor([0]), 0.1)), 4)  # log 2
        0.6931

    """
    _check_rows(logits, logits, labels)
    _check_number("label_smoothing", label_smoothing, least=0, most=1)
    losses = -logits.log_softmax(1)
    present = logits > EXCLUDED / 2
    smooth = losses.where(present, 0.0).sum(1) / present.sum(1)
    picked = losses.gather(1, labels.unsqueeze(1)).squeeze(1)
    return ((1 - label_smoothing) * picked + label_smoothing * smooth).mean()


def prototype_cross_entropy(features: Tensor, rows: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    r"""Return the cross-entropy of features under a frozen classifier in the space of an older model.

    .. math:: L = CE_s(\hat z P^\top, y), \quad z = (v_1, \dots, v_d)

    Args:
        features: Features :math:`v` by the model in training, ``(B, D)``. Their leading ``d`` numbers are scaled to
            length 1.
        rows: Classifier :math:`P`, ``(C, d)`` with ``d <= D``: the old model's mean features of the classes, or its
            classifier.
        labels: Row of each image's class, ``(B,)``.
        label_smoothing: Smoothing :math:`s` of the target.

    Returns:
        Mean over the batch, a scalar.

    Source: Influence loss of BCT (arXiv 2003.11942) with prototypes as classifier, as in OCA (arXiv 2408.08793),
    ``trainers/OCA_trainer.py`` of the authors' code.

    Example:
        >>> one = prototype_cross_entropy(torch.tensor([[3.0, 0.0, 9.0]]), torch.eye(2), torch.tensor([0]))
        >>> round(float(one), 4)  # log(1 + 1 / e)
        0.3133

    """
    shortened = F.normalize(features[:, : rows.shape[1]], dim=1)
    return F.cross_entropy(shortened @ rows.T, labels, label_smoothing=label_smoothing)


def prototype_alignment(features: Tensor, rows: Tensor, labels: Tensor) -> Tensor:
    r"""Return the mean of :math:`1 - \cos(z_n, P_{y_n})`, with :math:`z` the leading ``d`` numbers of the features.

    Takes the arguments of :func:`prototype_cross_entropy`.

    Source: OCA (arXiv 2408.08793), ``trainers/OCA_trainer.py`` of the authors' code.

    Example:
        >>> float(prototype_alignment(torch.tensor([[2.0, 0.0, 7.0]]), torch.eye(2), torch.tensor([1])))
        1.0

    """
    return (1 - F.cosine_similarity(features[:, : rows.shape[1]], rows[labels], dim=1)).mean()


def cosine_distillation(new: Tensor, old: Tensor, labels: Tensor | None = None) -> Tensor:
    r"""Return the mean of :math:`1 - \cos(u_n, v_n)` over the batch, 0 for an empty one (CL2R, Biondi et al. 2022).

    Args:
        new: Features by the model in training, ``(B, D)``.
        old: Features of the same images by the previous model, ``(B, D)``.
        labels: Ignored. Gives all losses between features one signature.

    Returns:
        Mean over the batch, a scalar.

    Example:
        >>> float(cosine_distillation(torch.eye(2), torch.tensor([[2.0, 0.0], [1.0, 0.0]])))
        0.5

    """
    _check_rows(new, old)
    return (1 - F.cosine_similarity(new, old, dim=1)).sum() / max(1, len(new))


def contrastive_loss(logits: Tensor, same: Tensor | None = None) -> Tensor:
    r"""Return the symmetric contrastive loss of CLIP: rows classify their column, columns their row.

    .. math:: L = \frac12 \left( L_{CE}(S, i) + L_{CE}(S^\top, i) \right)

    Args:
        logits: Scaled similarities :math:`S`, ``(B, B)``, such as images by captions, with pairs on the diagonal.
        same: Mask of further valid pairs, ``(B, B)`` bool. Off the diagonal they are excluded from the negatives.

    Returns:
        Mean over the batch, a scalar.

    Source: arXiv 2103.00020, figure 3.

    Example:
        >>> contrastive_loss(torch.zeros(2, 2))  # log 2
        tensor(0.6931)
        >>> contrastive_loss(torch.zeros(2, 2), same=torch.ones(2, 2, dtype=torch.bool))
        tensor(0.)

    """
    if same is not None:
        others = same & ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(others, -float("inf"))
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def no_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return 0: for strategies whose plugins provide all losses.

    Example:
        >>> no_loss(torch.ones(2, 3), torch.tensor([0, 1]))
        tensor(0.)

    """
    return outputs.new_zeros(())


def _check_rows(new: Tensor, old: Tensor, labels: Tensor | None = None) -> None:
    """Raise if shapes differ, which torch would broadcast silently. Does not synchronize the device."""
    given = [new.shape, old.shape] if labels is None else [new.shape, old.shape, labels.shape]
    if new.ndim != 2 or old.shape != new.shape or (labels is not None and labels.shape != new.shape[:1]):
        shapes = " and ".join(str(list(shape)) for shape in given)
        raise ArgumentError(f"expected features of the same images (B, D) and labels (B,), got shapes {shapes}")


def _check_number(name: str, value: float, least: float = -math.inf, most: float = math.inf) -> None:
    if not math.isfinite(value) or not least <= value <= most:
        allowed = "a finite number" if least == -math.inf else f"{least:g} to {most:g}"
        raise ArgumentError(f"{name}: must be {allowed}, got {value}")
