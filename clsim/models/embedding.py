"""Models of an upgrade: unit features of a chosen length, with a classifier on top."""

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
"""Source of features of a chosen length: the last residual block, or a matrix behind the whole backbone."""


class EmbeddingClassifier(FeatureClassifier):
    r"""Unit features :math:`h = \frac{N f(x)}{\lVert N f(x) \rVert}` and logits ``W h``, or ``W (Q h + b)``.

    The neck ``N`` is a matrix. With ``neck`` off there is none, and the backbone emits the features itself.

    With ``turned`` an orthogonal layer stands between features and classifier. It serves training alone: an index
    stores ``h``. A loss may hold the first numbers of ``h`` to an older, shorter feature, while the classifier uses all
    of them in any orientation (OCA, arXiv 2408.08793). ``Q`` is orthogonal at every step, by parametrization.

    Args:
        backbone: Network from images in [0, 1] to ``(B, backbone.num_features)``.
        dimensions: Length of the features; without a neck that of the backbone's.
        classes: Number of class ids.
        turned: Whether there is a ``Q h + b``.
        neck: Whether there is a matrix ``N``. Without one the backbone's features should not end in a ReLU.

    Raises:
        ValueError: There is no neck, and the backbone emits another number of features.

    Example:
        >>> backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
        >>> backbone.num_features = 5
        >>> model = EmbeddingClassifier(backbone, dimensions=4, classes=3)
        >>> output = model.outputs(torch.rand(2, 3, 2, 2))
        >>> output.features.shape, output.logits.shape
        (torch.Size([2, 4]), torch.Size([2, 3]))

    Source: ``models/resnet.py`` of OCA's authors' code. There is no ``N`` there: the last residual block emits the
    features, see :func:`~clsim.models.neck.shape_features` and :func:`make_embedding_classifier`.

    """

    @checked
    def __init__(
        self, backbone: nn.Module, dimensions: Count, classes: Count, *, turned: bool = False, neck: bool = True
    ) -> None:
        width: Any = backbone.num_features
        if not neck and width != dimensions:
            raise ValueError(f"EmbeddingClassifier: no neck, but the backbone emits {width} features, not {dimensions}")
        classifier = nn.Linear(dimensions, classes, bias=False)
        parts = [OrthogonalAlignment(dimensions), classifier] if turned else [classifier]
        super().__init__(backbone, nn.Sequential(*parts))
        self.neck: nn.Module = nn.Linear(width, dimensions, bias=False) if neck else nn.Identity()
        self.dimensions = dimensions

    head: nn.Sequential

    @property
    def classifier(self) -> Tensor:
        """Rows ``W`` of the classifier, ``(classes, dimensions)``."""
        weight: Any = self.head[-1].weight
        return weight  # type: ignore[no-any-return]

    def embed(self, images: Tensor) -> Tensor:
        """Return features ``(B, dimensions)`` of length 1."""
        return F.normalize(self.neck(self.backbone(images)).float(), dim=1)

    def classify(self, features: Tensor) -> Tensor:
        """Return logits ``(B, classes)`` in float32: in half precision ``Q`` is orthogonal to three digits only."""
        with torch.autocast(features.device.type, enabled=False):
            logits: Tensor = self.head(features.float())
        return logits

    def fit_classifier(self, features: Tensor, labels: Tensor) -> None:
        """Make the classifier's rows from the mean features of the classes, scaled to length 1.

        Args:
            features: Features ``(N, dimensions)``.
            labels: Class ids ``(N,)``; rows of classes that do not occur stay unchanged.

        """
        classes, means = prototypes(features, labels)
        with torch.no_grad():
            self.classifier[classes] = F.normalize(means, dim=1).to(self.classifier.dtype)

    def turn(self, rotation: Tensor) -> None:
        """Rotate the features for good, and the classifier with them.

        Args:
            rotation: Matrix ``(dimensions, d)``, applied from the right; with ``d < dimensions`` features get shorter.

        Raises:
            ValueError: An orthogonal layer stands between features and classifier.

        """
        if len(self.head) > 1:
            raise ValueError("EmbeddingClassifier.turn: the model has an orthogonal layer, which fixes its features")
        rows = rotation.T @ self.neck.weight if isinstance(self.neck, nn.Linear) else rotation.T
        self.neck, self.head = _linear(rows), nn.Sequential(_linear(self.classifier @ rotation))
        self.dimensions = rotation.shape[1]

    def diagnostics(self) -> dict[str, float]:
        """Return figures of the model for the record of a session."""
        error = self.orthogonality_error()
        return {} if error is None else {"orthogonality_error": error}

    def orthogonality_error(self) -> float | None:
        r"""Return the largest absolute entry of :math:`Q Q^\top - I`; None where there is no ``Q``."""
        if len(self.head) == 1:
            return None
        turn: Any = self.head[0]
        return float(turn.error())

    def _new_head(self, model: ReplacementModel) -> bool:
        """Remove the neck, so that the replacement keeps its features, and start the classifier over."""
        old = self.classifier
        self.neck = nn.Identity()
        self.dimensions = model.width
        self.head = nn.Sequential(nn.Linear(model.width, old.shape[0], bias=False)).to(old.device)
        return True


def _linear(weight: Tensor) -> nn.Linear:
    """Return the linear map with this matrix ``(out, in)`` and no bias."""
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device=weight.device)
    with torch.no_grad():
        made.weight.copy_(weight)
    return made


@checked
def make_embedding_classifier(
    backbone: str,
    dimensions: int,
    classes: int,
    *,
    neck: Neck = "block",
    turned: bool = False,
    image_size: int | None = None,
    interpolation: Interpolation = "bilinear",
    zero_init_last: bool = True,
    cpu_workers: Count = 1,
) -> EmbeddingClassifier:
    """Return a model of an upgrade, with random weights.

    Args:
        backbone: Name of the network, see :func:`~clsim.models.backbones.make_backbone`.
        dimensions: Length of the features.
        classes: Number of class ids.
        neck: Source of the features. ``block``: the last residual block, with batch normalization and without a ReLU,
            as published; ``linear``: a matrix without normalization behind the backbone's pooled output.
        turned: Whether an orthogonal layer stands between features and classifier.
        image_size: Side that images are resized to; the size they come in by default.
        interpolation: Kernel of that resize.
        zero_init_last: Whether the last normalization of every other residual block starts with gain 0.
        cpu_workers: Number of threads among which a CPU splits a batch.

    Raises:
        UserError: There is no such network, or none whose last block can emit the features.

    Example:
        >>> make_embedding_classifier("resnet8x2", 16, 10).dimensions
        16

    """
    network = make_backbone(
        backbone,
        image_size=image_size,
        interpolation=interpolation,
        zero_init_last=zero_init_last,
        dimensions=dimensions if neck == "block" else None,
    )
    return EmbeddingClassifier(
        CpuDataParallel(network, cpu_workers), dimensions, classes, turned=turned, neck=neck == "linear"
    )
