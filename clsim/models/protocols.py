"""What a model may offer beside its logits. Plugins, metrics and the training loop look for these protocols."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

from torch import Tensor, nn

from clsim.utils.errors import ArgumentError

if TYPE_CHECKING:
    from clsim.models.frozen_backbone import FrozenBackbone
    from clsim.models.replacement_model import ReplacementModel

Offer = TypeVar("Offer")


class ModelOutput(NamedTuple):
    """Result of one forward pass.

    Attributes:
        logits: Scores ``(B, C)``.
        features: Features ``(B, D)`` that an index stores; None for a model that returns logits only.

    """

    logits: Tensor
    features: Tensor | None = None


@runtime_checkable
class FeatureModel(Protocol):
    """Classifier that returns logits and features of one pass."""

    def outputs(self, images: Tensor) -> ModelOutput:
        """Return logits and features of images ``(B, 3, H, W)`` in [0, 1]."""


@runtime_checkable
class Embedder(Protocol):
    """Model whose features an index stores."""

    def embed(self, images: Tensor) -> Tensor:
        """Return the features ``(B, D)`` of images in [0, 1]."""


@runtime_checkable
class AcceptsFeatures(Protocol):
    """Classifier that accepts features of its frozen backbone in place of images."""

    @property
    def frozen_backbone(self) -> FrozenBackbone | None:
        """Backbone whose features ``(B, D)`` may stand in place of images; None while it is not frozen."""


@runtime_checkable
class TextEmbedder(Embedder, Protocol):
    """Model that maps images and texts into one space."""

    def features_of(self, texts: Sequence[str], *, projected: bool = True, size: int = 256) -> Tensor:
        """Return the features of texts ``(T, D)``, see :meth:`clsim.models.ImageTextModel.features_of`."""


@runtime_checkable
class Captioned(TextEmbedder, Protocol):
    """Image-text model that is trained on pairs of image and caption."""

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return token ids ``(n, T)`` on the CPU."""

    def cut(self, tokens: Tensor) -> Tensor:
        """Return the token ids without the columns behind the longest text."""

    def embed_text(self, tokens: Tensor) -> Tensor:
        """Return the features ``(n, D)`` of tokenized texts."""


@runtime_checkable
class Projected(TextEmbedder, Protocol):
    """Image-text model with a trainable projection behind both towers."""

    projection: nn.Module

    def encode_image(self, images: Tensor) -> Tensor:
        """Return the features of images before the projection, ``(B, E)``."""


@runtime_checkable
class Replayable(Protocol):
    """Model whose forward pass does the same on every batch, so that a CUDA graph may replay it."""

    def reads(self) -> tuple[object, ...]:
        """Return what the pass reads beside images and parameters; other objects call for another recording."""


@runtime_checkable
class ScoresClasses(Protocol):
    """Classifier that can skip the classes out of scope."""

    def score_only(self, classes: Tensor | None) -> None:
        """Restrict the logits to some class ids, or to none."""


@runtime_checkable
class Replaceable(Protocol):
    """Classifier that can take over a backbone trained elsewhere."""

    def replace(self, model: ReplacementModel) -> bool:
        """Take over a copy of the backbone; return whether the head is new and untrained."""


@runtime_checkable
class FitsProjection(Protocol):
    """Classifier that can fit its projection in closed form."""

    backbone: nn.Module

    def fit_projection(self, outputs: Tensor, labels: Tensor) -> None:
        """Fit the projection to outputs of the backbone ``(N, D)`` and their class ids ``(N,)``."""


@runtime_checkable
class FitsClassifier(Embedder, Protocol):
    """Classifier that can make its rows from features."""

    def fit_classifier(self, features: Tensor, labels: Tensor) -> None:
        """Make the rows from features ``(N, D)`` and their class ids ``(N,)``."""


@runtime_checkable
class Turnable(Embedder, Protocol):
    """Classifier whose feature space can be rotated."""

    dimensions: int

    def turn(self, rotation: Tensor) -> None:
        """Rotate the features for good."""


@runtime_checkable
class HasClassifier(Embedder, Protocol):
    """Classifier with one row for each class id."""

    @property
    def classifier(self) -> Tensor:
        """Rows ``(C, D)``."""


@runtime_checkable
class HasDiagnostics(Protocol):
    """Model with figures for the record of a session."""

    def diagnostics(self) -> dict[str, float]:
        """Return figures by name."""


@runtime_checkable
class HasWeightsSha256(Protocol):
    """Module that knows the hash of the weights that it was loaded with."""

    weights_sha256: str | None


@runtime_checkable
class HasClipFacts(Protocol):
    """Module made from a CLIP, with the properties that a manifest records."""

    clip_facts: dict[str, Any] | None


def frozen_backbone(model: object) -> FrozenBackbone | None:
    """Return the frozen backbone whose features a model accepts in place of images; None for any other model.

    Example:
        >>> frozen_backbone(nn.Identity()) is None
        True

    """
    return cast(AcceptsFeatures, model).frozen_backbone if _class_accepts_features(type(model)) else None  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _class_accepts_features(kind: type) -> bool:
    """Return whether models of a class are :class:`AcceptsFeatures`; cached, because every batch asks."""
    return any("frozen_backbone" in vars(base) for base in kind.__mro__)


def require(model: object, offer: type[Offer], user: object) -> Offer:
    """Return a model that fulfills a protocol.

    Args:
        model: Model of a strategy.
        offer: Protocol of this module.
        user: Plugin or metric that needs it, for the message.

    Raises:
        ArgumentError: The model lacks a member of the protocol.

    Example:
        >>> require(nn.Identity(), Turnable, "Procrustes")
        Traceback (most recent call last):
        clsim.utils.errors.ArgumentError: Procrustes needs a model with dimensions, embed, turn; Identity lacks them

    """
    if isinstance(model, offer):
        return model
    members = {name for kind in offer.__mro__[:-1] for name in (*vars(kind), *vars(kind).get("__annotations__", {}))}
    wanted = sorted(name for name in members if not name.startswith("_") and not hasattr(model, name))
    name = user if isinstance(user, str) else type(user).__name__
    raise ArgumentError(f"{name} needs a model with {', '.join(wanted)}; {type(model).__name__} lacks them")
