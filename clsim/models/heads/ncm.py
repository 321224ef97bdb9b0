"""Nearest class mean by cosine (SimpleCIL)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from clsim.losses import prototypes
from clsim.models.heads.head import ClosedFormHead
from clsim.utils.arguments import Count, NotNegative, checked


def cosine_scores(features: Tensor, rows: Tensor, scale: float = 1.0) -> Tensor:
    r"""Return :math:`s \cos(f_n, r_c)` ``(N, C)`` of features ``(N, D)`` and rows ``(C, D)``.

    Args:
        features: Features ``(N, D)``, of any length.
        rows: One row for each class, of any length.
        scale: Factor :math:`s`. It changes the probabilities and not the prediction.

    Example:
        >>> cosine_scores(torch.tensor([[2.0, 0.0]]), torch.tensor([[5.0, 0.0], [0.0, 1.0], [3.0, 4.0]]))
        tensor([[1.0000, 0.0000, 0.6000]])

    """
    return scale * F.normalize(features, dim=1) @ F.normalize(rows, dim=1).T


class NearestMean(ClosedFormHead):
    r"""Assigns a feature to the class whose mean feature is nearest by cosine.

    .. math:: z_c = s \cos\Big(f, \frac{1}{N_c} \sum_{n: y_n = c} f_n\Big)

    Args:
        width: Length ``D`` of a feature.
        classes: Number of class ids.
        scale: Factor :math:`s` of the cosines in the logits.

    Attributes:
        rows: Mean feature of each learned class, ``(C, D)``.

    Source: SimpleCIL (arXiv 2303.07338).

    Example:
        >>> head = NearestMean(2, 3)
        >>> head.learn(torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0, 2]), session=0)
        >>> head.rows[0], head(torch.tensor([[0.1, 1.0]])).argmax()
        (tensor([2., 0.]), tensor(2))

    """

    rows: Tensor

    @checked
    def __init__(self, width: Count, classes: Count, *, scale: NotNegative = 16.0) -> None:
        super().__init__(width, classes)
        self.scale = scale
        self.register_buffer("rows", torch.zeros(classes, width))

    def fit(self, features: Tensor, labels: Tensor, session: int) -> None:
        """Store the means of the classes."""
        classes, means = prototypes(features, labels)
        self.rows[classes] = means

    def scores(self, features: Tensor) -> Tensor:
        """Return scaled cosines ``(B, C)``."""
        return cosine_scores(features, self.rows, self.scale)
