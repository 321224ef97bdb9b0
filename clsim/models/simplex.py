"""The d-simplex: a classifier fixed before anything is learnt, with room for classes to come."""

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
    r"""Vertices of a regular simplex around the origin.

    The ``n = K - 1`` vectors of the standard basis and :math:`\frac{1 - \sqrt{1 + n}}{n} \mathbf 1` are as far
    from one another as can be; less their mean, and scaled to length 1, any two of them have cosine
    :math:`-1 / (K - 1)`.

    Args:
        vertices: how many, ``K``, at least 2.

    Returns:
        ``(K, K - 1)``, unit rows that sum to 0.

    Raises:
        ArgumentError: fewer than 2 vertices.

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
    """Logits against vertices that never move: ``w_y . z``, one for every class there may ever be.

    Class ``y`` owns vertex ``K - 1 - y``: local classes use the last vertices, since models that arrive from
    elsewhere occupy the first.

    Args:
        vertices: ``K``, the classes there is room for.
        from_last: ``False`` gives class ``y`` vertex ``y``, which is how a model is trained elsewhere.

    Attributes:
        weight: ``(K, K - 1)``, row ``y`` is the vertex of class ``y``; a buffer, so nothing can train it.

    """

    @checked
    def __init__(self, vertices: Vertices, *, from_last: bool = True) -> None:
        super().__init__()
        rows = dsimplex(vertices)
        self.register_buffer("weight", rows.flip(0) if from_last else rows, persistent=False)

    weight: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """``(B, K - 1)`` to logits ``(B, K)``; column ``y`` belongs to class ``y``."""
        return features @ self.weight.T


class StationaryClassifier(FeatureClassifier):
    """A backbone, a linear projection ``P`` and vertices that never move: logits ``W P f(x)``.

    Where an image ought to lie after the projection is settled before anything is learnt, so the features
    ``P f(x)`` of all sessions, and of all models that know the same simplex, live in one space.

    Args:
        backbone: images in [0, 1] to ``(B, backbone.num_features)``.
        vertices: classes there is room for, those not seen yet included.

    Attributes:
        head: the projection and the vertices, the backbone's output to logits ``(B, K)``.

    """

    @checked
    def __init__(self, backbone: nn.Module, vertices: Vertices) -> None:
        width: Any = backbone.num_features
        projection = nn.Linear(width, vertices - 1, bias=False)
        super().__init__(backbone, nn.Sequential(projection, SimplexClassifier(vertices)))

    head: nn.Sequential

    @property
    def projection(self) -> nn.Linear:
        """``P``."""
        projection: Any = self.head[0]
        return projection  # type: ignore[no-any-return]

    def embed(self, images: Tensor) -> Tensor:
        """``(B, K - 1)``: what the vertices are compared with."""
        features: Tensor = self.projection(self.backbone(images))
        return features

    def classify(self, features: Tensor) -> Tensor:
        """Logits ``(B, K)``; column ``y`` belongs to class ``y``."""
        logits: Tensor = self.head[1](features)
        return logits

    def fit_projection(self, outputs: Tensor, labels: Tensor, *, ridge: float = 1e-2, length: float = 10.0) -> None:
        r"""Sends a backbone's outputs to the vertices of their classes as well as a linear map can.

        .. math:: P = Y^\top F (F^\top F + \alpha \tfrac{\operatorname{tr} F^\top F}{D} I)^{-1}

        for a model that was trained without the simplex: ridge regression, in closed form.

        Args:
            outputs: ``F``, ``(N, D)``.
            labels: class ids ``(N,)``; row ``n`` of ``Y`` is the vertex of class ``labels[n]`` times ``length``.
            ridge: :math:`\alpha`, relative to the mean square of the outputs.
            length: of the features that are aimed at; with a length of 1 the softmax could not be sure of anything.

        """
        vertices: Any = self.head[1]
        found = outputs.double()
        targets = length * vertices.weight[labels].double()
        gram = found.T @ found
        gram += ridge * gram.trace() / len(gram) * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        solved = torch.linalg.solve(gram, found.T @ targets)
        with torch.no_grad():
            self.projection.weight.copy_(solved.T)

    def _new_head(self, arrival: ReplacementModel) -> bool:
        """Its own projection if it was trained with this simplex; else an empty one, to be fitted."""
        old = self.projection
        fresh = nn.Linear(arrival.width, old.out_features, bias=False).to(old.weight.device)
        known = arrival.projection is not None and arrival.projection.shape == fresh.weight.shape
        if known and arrival.projection is not None:
            with torch.no_grad():
                fresh.weight.copy_(arrival.projection)
        self.head[0] = fresh
        return not known
