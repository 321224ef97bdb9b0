"""Features of the present batch, for plugins with losses on features."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from clsim.utils.errors import ArgumentError
from clsim.utils.template import Template


@runtime_checkable
class HasFeatures(Protocol):
    """Template that returns features beside logits: :class:`clsim.training.Strategy`."""

    mb_features: Tensor | None


@runtime_checkable
class KeepsFeatures(Protocol):
    """Model that keeps the features of its last pass, as Avalanche's templates, which know logits only, require."""

    features: Tensor | None


def batch_features(strategy: Template, plugin: object) -> Tensor:
    """Return the features ``(B, D)`` of the pass that gave ``strategy.mb_output``.

    Args:
        strategy: Template within an iteration.
        plugin: Plugin that needs them, for the message.

    Raises:
        ArgumentError: The model returns logits only.

    """
    features = None
    if isinstance(strategy, HasFeatures):
        features = strategy.mb_features
    elif isinstance(strategy.model, KeepsFeatures):
        features = strategy.model.features
    if features is None:
        what = f"{type(plugin).__name__} needs features, but {type(strategy.model).__name__} returns logits only"
        raise ArgumentError(what, fix="use a model with outputs(images), see clsim.models.protocols.FeatureModel")
    return features
