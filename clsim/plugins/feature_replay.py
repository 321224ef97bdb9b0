"""Replay without images: old classes are remembered as where their features lie, and new ones are placed by them."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.losses import prototypes
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.utils.arguments import Count, Fraction, NotNegative, checked
from clsim.utils.device import autocast_of


class TwoPartModel(Protocol):
    """A model in two parts: images to features, and features to logits."""

    @property
    def backbone(self) -> nn.Module:
        """Images in [0, 1] to features ``(B, D)``."""

    @property
    def head(self) -> nn.Module:
        """Features to logits over class ids."""


def calibrated_means(few: Tensor, known: Tensor, *, own: float, sharpness: float) -> Tensor:
    r"""Means of classes of which a few images are known, drawn towards similar classes that are known well.

    .. math:: \hat\mu_n = \alpha \mu_n + (1 - \alpha) \sum_b
        \operatorname{softmax}_b (\tau \cos(\mu_n - \bar\mu, \mu_b - \bar\mu)) \, \mu_b

    Args:
        few: means over the few images of each new class, ``(N, D)``.
        known: means of the base classes, ``(B, D)``; their own mean is :math:`\bar\mu`.
        own: weight :math:`\alpha` of a class's own images.
        sharpness: :math:`\tau`; the higher, the fewer base classes count.

    Returns:
        ``(N, D)``.

    Source: TEEN (arXiv 2312.05229), with the mean of the base classes taken off before the cosine.

    """
    centre = known.mean(0)
    similarity = F.normalize(few - centre, dim=1) @ F.normalize(known - centre, dim=1).T
    return own * few + (1 - own) * (sharpness * similarity).softmax(1) @ known


class FeatureReplay(SupervisedPlugin[Any]):
    """Adds features drawn from what is remembered of every class seen so far to the loss of few-shot sessions.

    Of the base session it keeps the mean feature of every class and the covariance within classes; of later
    sessions the :func:`calibrated_means`, to which the same covariance is lent ("free lunch", arXiv 2101.06395).
    In a few-shot session the loss becomes :math:`(1 - w) L + w L_{replay}`, with the cross-entropy of as many
    drawn features for every class. The backbone must not change after the base session.

    Args:
        model: ``model.backbone`` gives features, ``model.head`` logits over class ids for them.
        weight: ``w``.
        per_class: features drawn for each class in every step.
        own, sharpness: see :func:`calibrated_means`.

    Attributes:
        means: class id to mean feature ``(D,)``; this and ``spread`` are all that is remembered.
        spread: lower triangular ``(D, D)``; times white noise it varies as features do within a class.

    """

    @checked
    def __init__(
        self,
        model: TwoPartModel,
        *,
        weight: Fraction = 0.9,
        per_class: Count = 8,
        own: Fraction = 0.6,
        sharpness: NotNegative = 16.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.weight = weight
        self.per_class = per_class
        self.own = own
        self.sharpness = sharpness
        self.means: dict[int, Tensor] = {}
        self.spread = torch.zeros(0)
        self._lowest = -torch.inf
        self._base: Tensor = torch.zeros(0)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Remembers the classes of the base session."""
        if strategy.experience.current_experience > 0:
            return
        features, labels = self._features(strategy)
        classes, self._base = prototypes(features, labels)
        self.means = dict(zip(classes.tolist(), self._base, strict=True))
        self.spread = _spread(features - self._base[torch.searchsorted(classes, labels)])
        # Features behind a ReLU are never negative, so those drawn must not be either.
        self._lowest = features.min().item()

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Places the classes of a few-shot session before they are learnt."""
        if strategy.experience.current_experience == 0:
            return
        features, labels = self._features(strategy)
        classes, few = prototypes(features, labels)
        placed = calibrated_means(few, self._base, own=self.own, sharpness=self.sharpness)
        self.means.update(zip(classes.tolist(), placed, strict=True))

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Mixes the loss of the drawn features in."""
        if strategy.experience.current_experience == 0:
            return
        features, labels = self.draw()
        replayed = F.cross_entropy(self.model.head(features), labels)
        strategy.loss = (1 - self.weight) * strategy.loss + self.weight * replayed

    def draw(self) -> tuple[Tensor, Tensor]:
        """Features ``(C * per_class, D)`` of the classes remembered, with their class ids."""
        means = torch.stack(list(self.means.values())).repeat_interleave(self.per_class, 0)
        labels = torch.tensor(list(self.means)).to(means.device, non_blocking=True).repeat_interleave(self.per_class)
        features = means + torch.randn_like(means) @ self.spread.T
        return features.clamp_min(self._lowest), labels

    def _features(self, strategy: Any) -> tuple[Tensor, Tensor]:
        """Features and class ids of the session's images as they are, not augmented."""
        with autocast_of(strategy):
            return outputs_of(self.model.backbone.eval(), session_batches(strategy))


def _spread(residuals: Tensor, jitter: float = 1e-4) -> Tensor:
    """Cholesky factor ``(D, D)`` of the covariance of ``residuals``, made positive definite by a little."""
    covariance = residuals.T @ residuals / len(residuals)
    width = len(covariance)
    floor = jitter * covariance.trace() / width + torch.finfo(covariance.dtype).tiny
    factor: Tensor = torch.linalg.cholesky(covariance + floor * torch.eye(width, device=covariance.device))
    return factor
