"""Prototypes of images and texts, calibrated within and between the modalities (BiMC)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from clsim.losses import calibrated_prototypes, prototypes
from clsim.models.heads.head import ClosedFormHead
from clsim.utils.arguments import Fraction, NotNegative, checked


def fused_prototypes(texts: Tensor, descriptions: Tensor, images: Tensor, text_weight: float) -> Tensor:
    r"""Return classifier rows from both modalities.

    .. math:: w_c = \frac{u_c}{\lVert u_c \rVert}, \quad
        u_c = \beta \, \frac{t_c + d_c}{2} + (1 - \beta) \, v_c

    Args:
        texts: Unit text features :math:`t`, ``(C, D)``.
        descriptions: Unit features :math:`d` of descriptions, ``(C, D)``; the texts where there are none.
        images: Unit image prototypes :math:`v`, ``(C, D)``.
        text_weight: Weight :math:`\beta` of the texts.

    Source: BiMC (CVPR 2025), ``models/bimc.py`` of the authors' code.

    Example:
        >>> text = torch.tensor([[1.0, 0.0]])
        >>> fused_prototypes(text, text, torch.tensor([[0.0, 1.0]]), 0.5)
        tensor([[0.7071, 0.7071]])

    """
    return F.normalize(text_weight * (texts + descriptions) / 2 + (1 - text_weight) * images, dim=1)


def shared_mahalanobis(features: Tensor, means: Tensor, covariance: Tensor) -> Tensor:
    r"""Return squared distances :math:`(f_n - \mu_c)^\top \Sigma^{-1} (f_n - \mu_c)`, ``(N, C)``.

    Args:
        features: Features ``(N, D)``.
        means: Means ``(C, D)``.
        covariance: Positive definite :math:`\Sigma`, ``(D, D)``.

    Example:
        >>> shared_mahalanobis(torch.zeros(1, 2), torch.tensor([[2.0, 0.0]]), torch.diag(torch.tensor([4.0, 1.0])))
        tensor([[1.]])

    """
    factor = torch.linalg.cholesky(covariance)
    whitened = [torch.linalg.solve_triangular(factor, rows.T, upper=False).T for rows in (features, means)]
    distances: Tensor = torch.cdist(whitened[0], whitened[1], compute_mode="donot_use_mm_for_euclid_dist").square()
    return distances


class BiMC(ClosedFormHead):
    r"""Classifies by cosine to :func:`fused_prototypes`, optionally mixed with a second opinion.

    A new class's image prototype is shifted towards similar base classes (:func:`~clsim.losses.calibrated_prototypes`).
    The second opinion is, for base classes, the softmax of :math:`-d/512` with the distance :math:`d` of
    :func:`shared_mahalanobis`; for new classes, the softmax of the highest cosine to the class's descriptions.

    Args:
        texts: Unit text features of all classes, ``(C, D)``.
        descriptions: Unit features of descriptions ``(T, D)``; None: the texts take their place.
        described: Class ids of the descriptions.
        text_weight: Weight of the texts in a prototype.
        shift: Share of similar base classes in the image prototype of a new class.
        sharpness: Factor of the cosines between image prototypes.
        first_opinion: Weight of the prototypes; the second opinion has the rest. 1: prototypes alone.
        base_ridge: Multiple of the mean variance added to the variances of the base session.
        later_ridge: The same in later sessions.

    Attributes:
        images: Unit image prototypes, ``(C, D)``.
        covariance: Mean covariance of the sessions, weighted by their numbers of classes, ``(D, D)``.

    Source: BiMC (CVPR 2025), ``models/bimc.py`` of the authors' code.

    Example:
        >>> head = BiMC(torch.eye(2), text_weight=0.5)
        >>> head.learn(torch.tensor([[0.6, 0.8], [0.0, 1.0]]), torch.tensor([0, 1]), session=0)
        >>> round(float(head(torch.tensor([[1.0, 0.0]])).exp().sum()), 4)  # logits are logarithms of probabilities
        1.0

    """

    DISTANCE_SCALE = 512.0

    texts: Tensor
    descriptions: Tensor
    described: Tensor
    images: Tensor
    covariance: Tensor

    @checked
    def __init__(
        self,
        texts: Tensor,
        descriptions: Tensor | None = None,
        described: Sequence[int] | None = None,
        *,
        text_weight: Fraction = 0.65,
        shift: Fraction = 0.1,
        sharpness: NotNegative = 16.0,
        first_opinion: Fraction = 1.0,
        base_ridge: NotNegative = 1.0,
        later_ridge: NotNegative = 5.0,
    ) -> None:
        super().__init__(texts.shape[1], len(texts))
        self.text_weight = text_weight
        self.shift = shift
        self.sharpness = sharpness
        self.first_opinion = first_opinion
        self.ridges = (base_ridge, later_ridge)
        texts = F.normalize(texts.float(), dim=1)
        labels = range(len(texts)) if described is None else described
        rows = texts if descriptions is None else F.normalize(descriptions.float(), dim=1)
        self.register_buffer("texts", texts, persistent=False)
        self.register_buffer("descriptions", rows, persistent=False)
        self.register_buffer("described", torch.tensor(list(labels), device=texts.device), persistent=False)
        self.register_buffer("images", torch.zeros_like(texts))
        self.register_buffer("covariance", torch.zeros(self.width, self.width))

    def fit(self, features: Tensor, labels: Tensor, session: int) -> None:
        """Store the image prototypes of the classes and the mean covariance."""
        unit = F.normalize(features, dim=1)
        classes, means = prototypes(unit, labels)
        if session > 0:
            means = calibrated_prototypes(means, self.images[self.base], shift=self.shift, sharpness=self.sharpness)
        self.images[classes] = F.normalize(means, dim=1)
        found = torch.cov(unit.T, correction=min(1, len(unit) - 1))
        ridge = self.ridges[0 if session == 0 else 1]
        found = found + ridge * found.diagonal().mean() * torch.eye(self.width, device=unit.device)
        share = len(classes) / int(self.learned.sum())
        self.covariance.copy_(share * found + (1 - share) * self.covariance)

    def scores(self, features: Tensor) -> Tensor:
        """Return log-probabilities ``(B, C)`` over the learned classes."""
        unit, learned = F.normalize(features, dim=1), self.learned.nonzero().flatten()
        _, mean_descriptions = prototypes(self.descriptions, self.described)
        rows = fused_prototypes(self.texts, F.normalize(mean_descriptions, dim=1), self.images, self.text_weight)
        first = (unit @ rows[learned].T).softmax(1)
        if self.first_opinion < 1:
            first = self.first_opinion * first + (1 - self.first_opinion) * self._second_opinion(unit, learned)
            first = first / first.sum(1, keepdim=True)
        return unit.new_zeros(len(unit), self.classes).index_copy_(1, learned, first.log())

    def _second_opinion(self, unit: Tensor, learned: Tensor) -> Tensor:
        """Return probabilities ``(B, K)`` from distances for base classes and from descriptions for others."""
        distances = shared_mahalanobis(unit, self.images[learned], self.covariance)
        near = (-distances / self.DISTANCE_SCALE).softmax(1)
        highest = unit.new_full((self.classes, len(unit)), -torch.inf)
        similarity = self.descriptions @ unit.T
        highest.scatter_reduce_(0, self.described.unsqueeze(1).expand_as(similarity), similarity, "amax")
        return near.where(self.base[learned], highest[learned].T.softmax(1))
