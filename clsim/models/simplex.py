"""The d-simplex: a classifier fixed before training, with room for future classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from clsim.models.classifier import FeatureClassifier
from clsim.utils.arguments import checked

if TYPE_CHECKING:
    from clsim.models.replacement_model import ReplacementModel

Vertices = Annotated[int, Field(ge=2)]


@checked
def dsimplex(vertices: Vertices) -> Tensor:
    r"""Return the vertices of a regular simplex around the origin.

    The ``n = K - 1`` vectors of the standard basis and :math:`\frac{1 - \sqrt{1 + n}}{n} \mathbf 1` are equally far
    from each other. Centered and scaled to length 1, any two of them have cosine :math:`-1 / (K - 1)`.

    Args:
        vertices: Number of vertices ``K``, at least 2.

    Returns:
        Unit rows ``(K, K - 1)`` that sum to 0.

    Raises:
        ArgumentError: There are fewer than 2 vertices.

    Source: IAM-CL2R (arXiv 2405.02581), ``src/iamcl2r/models/__init__.py`` of the authors' code.

    Example:
        >>> dsimplex(3) @ dsimplex(3).T
        tensor([[ 1.0000, -0.5000, -0.5000],
                [-0.5000,  1.0000, -0.5000],
                [-0.5000, -0.5000,  1.0000]])

    """
    n = vertices - 1
    corners = torch.eye(vertices, n, dtype=torch.float64)
    corners[-1] = (1 - (1 + n) ** 0.5) / n
    corners -= corners.mean(0)
    rows: Tensor = corners / corners.norm(dim=1, keepdim=True)
    return rows.float()


class SimplexClassifier(nn.Module):
    """Fixed classifier: logits ``w_y . z`` against the vertices of a simplex, one for every possible class.

    Class ``y`` owns vertex ``K - 1 - y``: local classes use the last vertices, and replacement models the first.

    Args:
        vertices: Number of possible classes ``K``.
        from_last: Whether class ``y`` owns vertex ``K - 1 - y``; else vertex ``y``, as in the training of replacement
            models.

    Attributes:
        weight: Buffer ``(K, K - 1)`` that nothing trains; row ``y`` is the vertex of class ``y``.

    Example:
        >>> SimplexClassifier(3)(dsimplex(3)).argmax(dim=1)
        tensor([2, 1, 0])

    """

    @checked
    def __init__(self, vertices: Vertices, *, from_last: bool = True) -> None:
        super().__init__()
        rows = dsimplex(vertices)
        self.register_buffer("weight", rows.flip(0) if from_last else rows, persistent=False)

    weight: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``(B, K)`` for features ``(B, K - 1)``; column ``y`` belongs to class ``y``."""
        return features @ self.weight.T


class StationaryClassifier(FeatureClassifier):
    """A backbone, a linear projection ``P`` and the fixed vertices of a simplex: logits ``W P f(x)``.

    The target of every class is fixed before training. So the features ``P f(x)`` of all sessions, and of all models
    trained with the same simplex, share one space.

    Args:
        backbone: Network from images in [0, 1] to ``(B, backbone.num_features)``.
        vertices: Number of possible classes, future ones included.

    Attributes:
        head: Projection and vertices, from the backbone's output to logits ``(B, K)``.

    """

    @checked
    def __init__(self, backbone: nn.Module, vertices: Vertices) -> None:
        width: Any = backbone.num_features
        projection = nn.Linear(width, vertices - 1, bias=False)
        super().__init__(backbone, nn.Sequential(projection, SimplexClassifier(vertices)))

    head: nn.Sequential

    @property
    def projection(self) -> nn.Linear:
        """The projection ``P``."""
        projection: Any = self.head[0]
        return projection  # type: ignore[no-any-return]

    def embed(self, images: Tensor) -> Tensor:
        """Return the features ``(B, K - 1)`` that are compared with the vertices."""
        features: Tensor = self.projection(self.backbone(images))
        return features

    def classify(self, features: Tensor) -> Tensor:
        """Return logits ``(B, K)``; column ``y`` belongs to class ``y``."""
        logits: Tensor = self.head[1](features)
        return logits

    def fit_projection(self, outputs: Tensor, labels: Tensor, *, ridge: float = 1e-2, length: float = 10.0) -> None:
        r"""Fit the projection of a backbone that was trained without the simplex, by ridge regression.

        .. math:: P = Y^\top F (F^\top F + \alpha \tfrac{\operatorname{tr} F^\top F}{D} I)^{-1}

        Args:
            outputs: Outputs ``F`` of the backbone, ``(N, D)``.
            labels: Class ids ``(N,)``; row ``n`` of ``Y`` is the vertex of class ``labels[n]`` times ``length``.
            ridge: Factor :math:`\alpha`, relative to the mean square of the outputs.
            length: Length of the target features; at length 1 the softmax could not become confident.

        """
        vertices: Any = self.head[1]
        found = outputs.double()
        targets = length * vertices.weight[labels].double()
        gram = found.T @ found
        gram += ridge * gram.trace() / len(gram) * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        solved = torch.linalg.solve(gram, found.T @ targets)
        with torch.no_grad():
            self.projection.weight.copy_(solved.T)

    def _new_head(self, model: ReplacementModel) -> bool:
        """Use the model's projection if it was trained with this simplex, else a new one, to be fitted."""
        old = self.projection
        fresh = nn.Linear(model.width, old.out_features, bias=False).to(old.weight.device)
        known = model.projection is not None and model.projection.shape == fresh.weight.shape
        if known and model.projection is not None:
            with torch.no_grad():
                fresh.weight.copy_(model.projection)
        self.head[0] = fresh
        return not known
