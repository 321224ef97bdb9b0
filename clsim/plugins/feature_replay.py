"""Replay without images: old classes are remembered by the distribution of their features."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.losses import prototypes, similarity_weights
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.plugins.state import AttributeState
from clsim.training.phases import Phase
from clsim.utils.arguments import Count, Fraction, NotNegative, checked
from clsim.utils.device import autocast_of
from clsim.utils.template import Template


class TwoPartModel(Protocol):
    """Model in two parts: images to features, and features to logits."""

    @property
    def backbone(self) -> nn.Module:
        """Network from images in [0, 1] to features ``(B, D)``."""

    @property
    def head(self) -> nn.Module:
        """Network from features to logits over class ids."""


def calibrated_means(few: Tensor, known: Tensor, *, own_weight: float, sharpness: float) -> Tensor:
    r"""Return means of few-shot classes, drawn towards similar base classes.

    .. math:: \hat\mu_n = \alpha \mu_n + (1 - \alpha) \sum_b
        \operatorname{softmax}_b (\tau \cos(\mu_n - \bar\mu, \mu_b - \bar\mu)) \, \mu_b

    Args:
        few: Means over the few images of each new class, ``(N, D)``.
        known: Means of the base classes, ``(B, D)``; :math:`\bar\mu` is the mean of these.
        own_weight: Weight :math:`\alpha` of a class's own images.
        sharpness: Inverse temperature :math:`\tau`; the higher, the fewer base classes contribute.

    Returns:
        Means ``(N, D)``.

    Source: TEEN (arXiv 2312.05229), with the mean of the base classes subtracted before the cosine; TEEN itself is
    :func:`~clsim.losses.calibrated_prototypes`.

    Example:
        >>> few, known = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0], [0.0, 4.0]])
        >>> calibrated_means(few, known, own_weight=0.5, sharpness=0.0)
        tensor([[0.5000, 1.5000]])

    """
    center = known.mean(0)
    unit_few, unit_known = F.normalize(few - center, dim=1), F.normalize(known - center, dim=1)
    return own_weight * few + (1 - own_weight) * similarity_weights(unit_few, unit_known, sharpness) @ known


class FeatureReplay(AttributeState, SupervisedPlugin[Any]):
    """Adds features drawn from the remembered classes to the loss of few-shot sessions.

    Of the base session it stores the mean feature of every class and the covariance within classes; of later sessions
    the :func:`calibrated_means`, with the same covariance ("free lunch", arXiv 2101.06395). In a few-shot session the
    loss becomes :math:`(1 - w) L + w L_{replay}`, where the second term is the cross-entropy of an equal number of
    drawn features of every class. The backbone must not change after the base session.

    Args:
        model: Model whose ``backbone`` returns features and whose ``head`` returns logits over class ids.
        weight: Weight ``w`` of the replayed loss.
        per_class: Features drawn of each class in every step.
        own_weight: Weight of a class's own images, see :func:`calibrated_means`.
        sharpness: Inverse temperature of the cosines, see :func:`calibrated_means`.

    Attributes:
        means: Mean feature ``(D,)`` by class id; with ``spread`` all that is remembered.
        spread: Lower triangular matrix ``(D, D)``. White noise times it varies as features within a class do.

    Example:
        >>> from clsim.data.datasets.shapes import shapes
        >>> from clsim.models import StationaryClassifier
        >>> from clsim.streams import fscil
        >>> from clsim.training import Strategy
        >>> backbone = nn.Sequential(nn.Flatten(), nn.Linear(3072, 8))
        >>> backbone.num_features = 8
        >>> model = StationaryClassifier(backbone, 16)
        >>> replay = FeatureReplay(model, per_class=2)
        >>> stream = fscil(shapes(4, train=5, test=1), base_classes=2, ways=2, shots=1, splits={"draw": 0})
        >>> _ = Strategy(model=model, plugins=[replay]).train(stream.train_stream[0], eval_streams=[])
        >>> features, labels = replay.draw()
        >>> features.shape, labels
        (torch.Size([4, 8]), tensor([0, 0, 1, 1]))

    """

    phase: ClassVar[Phase] = Phase.LOSS
    state_names: ClassVar[tuple[str, ...]] = ("means", "spread", "_lowest", "_base")

    @checked
    def __init__(
        self,
        model: TwoPartModel,
        *,
        weight: Fraction = 0.9,
        per_class: Count = 8,
        own_weight: Fraction = 0.6,
        sharpness: NotNegative = 16.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.weight = weight
        self.per_class = per_class
        self.own_weight = own_weight
        self.sharpness = sharpness
        self.means: dict[int, Tensor] = {}
        self.spread = torch.zeros(0)
        self._lowest = -torch.inf
        self._base: Tensor = torch.zeros(0)

    def after_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Store the classes of the base session."""
        if strategy.experience.current_experience > 0:
            return
        features, labels = self._features(strategy)
        classes, self._base = prototypes(features, labels)
        self.means = dict(zip(classes.tolist(), self._base, strict=True))
        self.spread = _spread(features - self._base[torch.searchsorted(classes, labels)])
        # Features behind a ReLU are never negative, so drawn ones must not be either.
        self._lowest = features.min().item()

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Store the classes of a few-shot session before they are learned."""
        if strategy.experience.current_experience == 0:
            return
        features, labels = self._features(strategy)
        classes, few = prototypes(features, labels)
        placed = calibrated_means(few, self._base, own_weight=self.own_weight, sharpness=self.sharpness)
        self.means.update(zip(classes.tolist(), placed, strict=True))

    def before_backward(self, strategy: Template, **kwargs: Any) -> None:
        """Add the loss of drawn features."""
        if strategy.experience.current_experience == 0:
            return
        features, labels = self.draw()
        replayed = F.cross_entropy(self.model.head(features), labels)
        strategy.loss = (1 - self.weight) * strategy.loss + self.weight * replayed

    def draw(self) -> tuple[Tensor, Tensor]:
        """Return drawn features ``(C * per_class, D)`` of the remembered classes, and their class ids."""
        means = torch.stack(list(self.means.values())).repeat_interleave(self.per_class, 0)
        labels = torch.tensor(list(self.means)).to(means.device, non_blocking=True).repeat_interleave(self.per_class)
        features = means + torch.randn_like(means) @ self.spread.T
        return features.clamp_min(self._lowest), labels

    def _features(self, strategy: Template) -> tuple[Tensor, Tensor]:
        """Return features and class ids of the session's images, not augmented."""
        with autocast_of(strategy):
            return outputs_of(self.model.backbone.eval(), session_batches(strategy, model=self.model))


def _spread(residuals: Tensor, jitter: float = 1e-4) -> Tensor:
    """Return the Cholesky factor ``(D, D)`` of the covariance; a little jitter makes it positive definite."""
    covariance = residuals.T @ residuals / len(residuals)
    width = len(covariance)
    floor = jitter * covariance.trace() / width + torch.finfo(covariance.dtype).tiny
    factor: Tensor = torch.linalg.cholesky(covariance + floor * torch.eye(width, device=covariance.device))
    return factor
