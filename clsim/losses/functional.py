"""Losses as pure functions: tensors in, a scalar (or the tensor it is made of) out."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from clsim.utils.errors import ArgumentError

EXCLUDED = -1e4
"""Logit of a class that takes no part: its softmax is exactly 0 in float32 and bfloat16, and, unlike
minus infinity, it gives no NaN in losses that multiply a probability by a log-probability."""


def excluded_columns(columns: int, classes: Tensor) -> Tensor:
    """Return which columns of logits are of no class that takes part.

    Args:
        columns: number of class ids.
        classes: ids of the classes that stay, ``(K,)``.

    Returns:
        Bool ``(columns,)``, where the classes are.

    Example:
        >>> excluded_columns(3, torch.tensor([0, 2]))
        tensor([False,  True, False])

    """
    # Not by an index, to which a number would be copied from the CPU: the host would wait for a GPU.
    return torch.ones(columns, dtype=torch.bool, device=classes.device).index_fill_(0, classes, False)


def exclude_classes(logits: Tensor, classes: Tensor) -> Tensor:
    """Leaves only some classes in the running.

    Args:
        logits: ``(B, C)``.
        classes: ids of the classes that stay, ``(K,)``.

    Returns:
        ``(B, C)`` with every other column set to :data:`EXCLUDED`; no gradient flows into those.

    """
    return logits.masked_fill(excluded_columns(logits.shape[1], classes.to(logits.device)), EXCLUDED)


def current_class_cross_entropy(logits: Tensor, labels: Tensor, classes: Tensor) -> Tensor:
    r"""Cross-entropy over the classes of the current session only (CPE-CLIP).

    .. math:: L = -\frac1B \sum_i \log \frac{\exp l_{i,y_i}}{\sum_{c \in C_t} \exp l_{i,c}}

    The authors compute all seen classes and overwrite the old ones with -9999
    (``CoLeLib/training/strategies/clip_pe.py``); value and gradient are the same.

    Args:
        logits: ``(B, C)`` over all classes.
        labels: class ids, ``(B,)``, each one of ``classes``.
        classes: ids of the current session's classes, ``(K,)``.

    Returns:
        The mean over the batch, a scalar.

    """
    return F.cross_entropy(exclude_classes(logits, classes), labels)


def higher_order_compatibility(
    new: Tensor,
    old: Tensor,
    labels: Tensor,
    mu: float = 10.0,
    same_class: Literal["counted", "excluded"] = "counted",
) -> Tensor:
    r"""Keeps new features close to the old ones of the same image, and away from the old ones of other classes.

    With :math:`S_{nm} = \mu \langle \hat u_n, \hat v_m \rangle` for normalised old features :math:`\hat u` and
    new ones :math:`\hat v`,

    .. math:: L = \frac1B \sum_n \Big[ -S_{nn} + \log \Big(
        \sum_{m: y_m \ne y_n} e^{S_{nm}} + \#\{m : y_m = y_n\} \Big) \Big]

    Args:
        new: features of the model in training, ``(B, D)``.
        old: features of the model it must stay compatible with, ``(B, D)``.
        labels: class ids ``(B,)``.
        mu: sharpness :math:`\mu` of the similarity.
        same_class: ``counted`` is the published loss, in which every image of the same class, the image itself
            included, adds 1 to the sum (its entry is multiplied by 0 before the exponential). ``excluded`` leaves
            them out; an image without one of another class in the batch then adds only :math:`-S_{nn}`.

    Returns:
        A scalar, negative where features agree: the positive pair is not in the denominator.

    Raises:
        ValueError: ``same_class`` is neither of the two.

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
        raise ValueError(f"same_class must be 'counted' or 'excluded'; got {same_class!r}")
    return (spread - similarity.diagonal()).mean()


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    r"""Label-smoothed cross-entropy over the classes that take part.

    .. math:: L = \frac1B \sum_i \Big[ -(1 - s) \log p_{i,y_i} - \frac{s}{|C|} \sum_{c \in C} \log p_{i,c} \Big]

    Args:
        logits: ``(B, C)``, float32; those that :func:`exclude_classes` left out take no share of the smoothing.
        labels: class ids ``(B,)``.
        label_smoothing: :math:`s`.

    Returns:
        A scalar.

    Source: ``utils`` of OCA's authors' code; torch's own would smooth over excluded classes too.

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
    r"""Cross-entropy of features sorted by a classifier that stands still, in the space of an older model.

    .. math:: L = CE_s(\hat z P^\top, y), \quad z = (v_1, \dots, v_d)

    Args:
        features: ``v``, of the model in training, ``(B, D)``; their first ``d`` numbers count, scaled to length 1.
        rows: ``P``, ``(C, d)``, ``d <= D``: the old model's mean features of the classes, or its classifier.
        labels: rows of the images' classes, ``(B,)``.
        label_smoothing: :math:`s`, of the target.

    Returns:
        A scalar.

    Source: the influence loss of BCT (arXiv 2003.11942) with prototypes for a classifier, as in OCA
    (arXiv 2408.08793), ``trainers/OCA_trainer.py`` of the authors' code.

    Example:
        >>> one = prototype_cross_entropy(torch.tensor([[3.0, 0.0, 9.0]]), torch.eye(2), torch.tensor([0]))
        >>> round(float(one), 4)  # log(1 + 1 / e)
        0.3133

    """
    shortened = F.normalize(features[:, : rows.shape[1]], dim=1)
    return F.cross_entropy(shortened @ rows.T, labels, label_smoothing=label_smoothing)


def prototype_alignment(features: Tensor, rows: Tensor, labels: Tensor) -> Tensor:
    r"""Mean of :math:`1 - \cos(z_n, P_{y_n})` over the batch, :math:`z` the first ``d`` numbers of the features.

    The arguments are those of :func:`prototype_cross_entropy`.

    Source: OCA (arXiv 2408.08793), ``trainers/OCA_trainer.py`` of the authors' code.

    Example:
        >>> float(prototype_alignment(torch.tensor([[2.0, 0.0, 7.0]]), torch.eye(2), torch.tensor([1])))
        1.0

    """
    return (1 - F.cosine_similarity(features[:, : rows.shape[1]], rows[labels], dim=1)).mean()


def cosine_distillation(new: Tensor, old: Tensor, labels: Tensor | None = None) -> Tensor:
    r"""Mean of :math:`1 - \cos(u_n, v_n)` over the batch, 0 for an empty one (CL2R, Biondi et al. 2022).

    Args:
        new: features of the model in training, ``(B, D)``.
        old: features of the same images by the model before, ``(B, D)``.
        labels: not looked at; taken so that every loss between features is called alike.

    Returns:
        A scalar.

    Example:
        >>> float(cosine_distillation(torch.eye(2), torch.tensor([[2.0, 0.0], [1.0, 0.0]])))
        0.5

    """
    _check_rows(new, old)
    return (1 - F.cosine_similarity(new, old, dim=1)).sum() / max(1, len(new))


def contrastive_loss(logits: Tensor, same: Tensor | None = None) -> Tensor:
    r"""Each row must find its partner among the columns, and each column among the rows (CLIP).

    .. math:: L = \frac12 \left( L_{CE}(S, i) + L_{CE}(S^\top, i) \right)

    Args:
        logits: :math:`S`, ``(B, B)``, for instance images by captions, scaled; partners on the diagonal.
        same: bool ``(B, B)``, pairs that fit as well as the partners do; those off the diagonal are left out.

    Returns:
        A scalar.

    Source: arXiv 2103.00020, figure 3.

    """
    if same is not None:
        others = same & ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(others, -float("inf"))
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def no_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Nothing: for strategies whose plugins bring all there is to lower.

    Example:
        >>> no_loss(torch.ones(2, 3), torch.tensor([0, 1]))
        tensor(0.)

    """
    return outputs.new_zeros(())


def _check_rows(new: Tensor, old: Tensor, labels: Tensor | None = None) -> None:
    """Raise where shapes differ, which torch would stretch to fit in silence; nothing is read from the device."""
    given = [new.shape, old.shape, *([] if labels is None else [labels.shape])]
    if new.ndim != 2 or old.shape != new.shape or (labels is not None and labels.shape != new.shape[:1]):
        shapes = " and ".join(str(list(shape)) for shape in given)
        raise ArgumentError(f"features of the same images are needed, and a class id of each; got {shapes}")


def _check_number(name: str, value: float, least: float = -math.inf, most: float = math.inf) -> None:
    if not math.isfinite(value) or not least <= value <= most:
        allowed = "a finite number" if least == -math.inf else f"{least:g} to {most:g}"
        raise ArgumentError(f"{name}: must be {allowed}, got {value}")
