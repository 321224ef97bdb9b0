"""Nearest class mean with prototypes of few-shot classes shifted towards similar base classes (TEEN)."""

from __future__ import annotations

from torch import Tensor

from clsim.losses import calibrated_prototypes, prototypes
from clsim.models.heads.ncm import NearestMean
from clsim.utils.arguments import Count, Fraction, NotNegative, checked


class Teen(NearestMean):
    """Nearest class mean by cosine, with the :func:`~clsim.losses.calibrated_prototypes` of later sessions.

    Args:
        width: Length ``D`` of a feature.
        classes: Number of class ids.
        shift: Share of similar base classes in the prototype of a new class.
        sharpness: Factor of the cosines between prototypes; the higher, the fewer base classes contribute.
        scale: Factor of the cosines in the logits.

    Source: TEEN (arXiv 2312.05229).

    Example:
        >>> import torch
        >>> head = Teen(2, 2, shift=0.5)
        >>> head.learn(torch.tensor([[0.0, 1.0]]), torch.tensor([0]), session=0)
        >>> head.learn(torch.tensor([[3.0, 0.0]]), torch.tensor([1]), session=1)
        >>> head.rows[1]
        tensor([0.5000, 0.5000])

    """

    @checked
    def __init__(
        self,
        width: Count,
        classes: Count,
        *,
        shift: Fraction = 0.1,
        sharpness: NotNegative = 16.0,
        scale: NotNegative = 16.0,
    ) -> None:
        super().__init__(width, classes, scale=scale)
        self.shift = shift
        self.sharpness = sharpness

    def fit(self, features: Tensor, labels: Tensor, session: int) -> None:
        """Store the means of the base classes, and shifted means of later classes."""
        classes, means = prototypes(features, labels)
        if session > 0:
            base = self.rows[self.base]
            means = calibrated_prototypes(means, base, shift=self.shift, sharpness=self.sharpness)
        self.rows[classes] = means
