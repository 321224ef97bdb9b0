"""Features of a chosen length, on the unit sphere, with a classifier of their own: the models of an upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.losses import prototypes
from clsim.models.backbones import make_backbone
from clsim.models.classifier import FeatureClassifier
from clsim.models.cpu_parallel import CpuDataParallel
from clsim.models.orthogonal import OrthogonalAlignment
from clsim.models.preprocess import Interpolation
from clsim.utils.arguments import Count, checked

if TYPE_CHECKING:
    from clsim.models.replacement_model import ReplacementModel

Neck = Literal["block", "linear"]
"""Where features of a chosen length come from: the last residual block, or a matrix behind the whole backbone."""


class EmbeddingClassifier(FeatureClassifier):
    r"""Unit features :math:`h = \frac{N f(x)}{\lVert N f(x) \rVert}` and logits ``W h``, or ``W (Q h + b)``.

    The neck ``N`` is a matrix, or, with ``neck`` off, nothing: then the backbone emits the features themselves.

    With ``turned`` an orthogonal layer stands between features and classifier. It is there in training alone: what
    is stored and searched is ``h``, whose first numbers may be held to those of an older, shorter feature, while
    the classifier looks at all of them from whatever side it likes (OCA, arXiv 2408.08793). ``Q`` is orthogonal at
    every step, by parametrisation.

    Args:
        backbone: images in [0, 1] to ``(B, backbone.num_features)``.
        dimensions: of the features; without a neck those of the backbone.
        classes: number of class ids.
        turned: whether there is a ``Q h + b``.
        neck: Whether there is a matrix ``N``. Without one the backbone's features should not end in a ReLU.

    Raises:
        ValueError: There is no neck, and the backbone emits another number of features.

    Source: ``models/resnet.py`` of OCA's authors' code. There is no ``N`` there: the last residual block emits the
    features, see :func:`~clsim.models.neck.shape_features` and :func:`make_embedding_classifier`.

    """

    @checked
    def __init__(
        self, backbone: nn.Module, dimensions: Count, classes: Count, *, turned: bool = False, neck: bool = True
    ) -> None:
        width: Any = backbone.num_features
        if not neck and width != dimensions:
            raise ValueError(f"the backbone emits {width} features, not {dimensions}, and there is no neck")
        classifier = nn.Linear(dimensions, classes, bias=False)
        parts = [OrthogonalAlignment(dimensions), classifier] if turned else [classifier]
        super().__init__(backbone, nn.Sequential(*parts))
        self.neck: nn.Module = nn.Linear(width, dimensions, bias=False) if neck else nn.Identity()
        self.dimensions = dimensions

    head: nn.Sequential

    @property
    def classifier(self) -> Tensor:
        """``W``, ``(classes, dimensions)``."""
        weight: Any = self.head[-1].weight
        return weight  # type: ignore[no-any-return]

    def embed(self, images: Tensor) -> Tensor:
        """``(B, dimensions)``, of length 1."""
        return F.normalize(self.neck(self.backbone(images)).float(), dim=1)

    def classify(self, features: Tensor) -> Tensor:
        """Logits ``(B, classes)``, in float32: in half precision ``Q`` would be orthogonal to three digits only."""
        with torch.autocast(features.device.type, enabled=False):
            logits: Tensor = self.head(features.float())
        return logits

    def fit_classifier(self, features: Tensor, labels: Tensor) -> None:
        """Makes the classifier's rows from the mean features of the classes, scaled to length 1.

        Args:
            features: ``(N, dimensions)``.
            labels: class ids ``(N,)``; rows of classes that do not occur stay as they are.

        """
        classes, means = prototypes(features, labels)
        with torch.no_grad():
            self.classifier[classes] = F.normalize(means, dim=1).to(self.classifier.dtype)

    def turn(self, rotation: Tensor) -> None:
        """Turns the features for good, and the classifier with them.

        Args:
            rotation: ``(dimensions, d)``, from the right; with ``d`` less than ``dimensions`` features become shorter.

        Raises:
            ValueError: an orthogonal layer stands between features and classifier.

        """
        if len(self.head) > 1:
            raise ValueError("the features of a model with an orthogonal layer are not turned")
        weight: Any = getattr(self.neck, "weight", None)
        rows = rotation.T if weight is None else rotation.T @ weight
        self.neck, self.head = _linear(rows), nn.Sequential(_linear(self.classifier @ rotation))
        self.dimensions = rotation.shape[1]

    def diagnostics(self) -> dict[str, float]:
        """What a session's record says of the model beside its results."""
        error = self.orthogonality_error()
        return {} if error is None else {"orthogonality_error": error}

    def orthogonality_error(self) -> float | None:
        r"""Largest entry of :math:`|Q Q^\top - I|` in absolute value; ``None`` where there is no ``Q``."""
        if len(self.head) == 1:
            return None
        turn: Any = self.head[0]
        return float(turn.error())

    def _new_head(self, arrival: ReplacementModel) -> bool:
        """A model from elsewhere keeps its own features; the classifier is started over."""
        old = self.classifier
        self.neck = nn.Identity()
        self.dimensions = arrival.width
        self.head = nn.Sequential(nn.Linear(arrival.width, old.shape[0], bias=False)).to(old.device)
        return True


def _linear(weight: Tensor) -> nn.Linear:
    """The map with this matrix, ``(out, in)``, and no bias."""
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device=weight.device)
    with torch.no_grad():
        made.weight.copy_(weight)
    return made


def make_embedding_classifier(
    backbone: str,
    dimensions: int,
    classes: int,
    *,
    neck: Neck = "block",
    turned: bool = False,
    image_size: int | None = None,
    interpolation: Interpolation = "bilinear",
    zero_init: bool = True,
    lanes: int = 1,
) -> EmbeddingClassifier:
    """Return a model of an upgrade, with random weights.

    Args:
        backbone: Name of the network, see :func:`~clsim.models.backbones.make_backbone`.
        dimensions: Length of the features.
        classes: Number of class ids.
        neck: ``block``: the last residual block emits the features, with batch normalization and without a ReLU, as
            published; ``linear``: a matrix without normalization behind the backbone's pooled output.
        turned: Whether an orthogonal layer stands between features and classifier.
        image_size: Side that images are resized to; the size they come in by default.
        interpolation: Kernel of that resize.
        zero_init: Whether the last normalization of every other residual block starts with gain 0.
        lanes: Parts of a batch that a CPU computes side by side.

    Raises:
        UserError: There is no such network, or none whose last block can emit the features.

    """
    network = make_backbone(
        backbone,
        image_size=image_size,
        interpolation=interpolation,
        zero_init=zero_init,
        dimensions=dimensions if neck == "block" else None,
    )
    return EmbeddingClassifier(
        CpuDataParallel(network, lanes), dimensions, classes, turned=turned, neck=neck == "linear"
    )
