"""Mahalanobis distance with one covariance for each class (FeCAM)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from clsim.losses import calibrated_prototypes, prototypes, similarity_weights
from clsim.models.features.key import TensorVersion, versions_of
from clsim.models.heads.covariance import class_factors, mixed_factors
from clsim.models.heads.head import ClosedFormHead
from clsim.utils.arguments import Count, Fraction, NotNegative, Positive, checked
from clsim.utils.errors import ArgumentError


def tukey(features: Tensor, power: float) -> Tensor:
    r"""Return :math:`f^\lambda`, which makes skewed features more Gaussian; a power of 1 changes nothing.

    Raises:
        ArgumentError: Features are negative and the power is not 1.

    Example:
        >>> tukey(torch.tensor([[4.0, 9.0]]), 0.5)
        tensor([[2., 3.]])

    """
    if power == 1:
        return features
    if bool((features < 0).any()):
        what = f"a power of {power:g} needs features that are not negative, and the backbone returns negative ones"
        raise ArgumentError(what, fix="set power to 1")
    return features**power


def correlation_mahalanobis(differences: Tensor, factor: Tensor, ridge: Tensor) -> Tensor:
    r"""Return squared Mahalanobis distances under a shrunk, correlation-normalized covariance.

    .. math:: d = x^\top C^{-1} x, \quad C_{ij} = \frac{\Sigma_{ij}}{\sqrt{\Sigma_{ii} \Sigma_{jj}}}, \quad
        \Sigma = F F^\top + \epsilon I

    The inverse is taken of an ``(r, r)`` matrix, by Woodbury's identity.

    Args:
        differences: Rows :math:`x`, ``(N, D)``.
        factor: Factor :math:`F` of the covariance, ``(D, r)``.
        ridge: Shrinkage :math:`\epsilon`, a scalar above 0.

    Returns:
        ``(N,)``.

    Source: FeCAM (arXiv 2309.14062), with shrinkage of the diagonal alone as in the few-shot code
    (arXiv 2404.06622).

    Example:
        The covariance is [[3, 2], [2, 3]], the correlation 2 / 3.

        >>> factor = torch.tensor([[2.0], [2.0]]) / 2**0.5
        >>> correlation_mahalanobis(torch.tensor([[1.0, 0.0]]), factor, torch.tensor(1.0))
        tensor([1.8000])

    """
    return mahalanobis(differences, *inverse_correlation(factor, ridge))


def inverse_correlation(factor: Tensor, ridge: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return :math:`q` ``(D,)`` and :math:`A` ``(D, r)`` with :math:`C^{-1} = \operatorname{diag}(q) - A A^\top`.

    Args:
        factor: Factor :math:`F` of the covariance, ``(D, r)``, see :func:`correlation_mahalanobis`.
        ridge: Shrinkage, a scalar above 0.

    Example:
        >>> diagonal, root = inverse_correlation(torch.tensor([[2.0], [2.0]]) / 2**0.5, torch.tensor(1.0))
        >>> (torch.diag(diagonal) - root @ root.T).round(decimals=3)
        tensor([[ 1.8000, -1.2000],
                [-1.2000,  1.8000]])

    """
    variances = factor.square().sum(1) + ridge
    # C = G G^T + diag(h) with G = F / sigma and h = ridge / sigma^2.
    inner = factor * (variances.sqrt() / ridge).unsqueeze(1)  # h^-1 G
    middle = torch.eye(factor.shape[1], device=factor.device) + factor.T @ factor / ridge  # I + G^T h^-1 G
    lower = torch.linalg.cholesky(middle)
    return variances / ridge, torch.linalg.solve_triangular(lower, inner.T, upper=False).T.contiguous()


def mahalanobis(differences: Tensor, diagonal: Tensor, root: Tensor) -> Tensor:
    r"""Return :math:`x^\top (\operatorname{diag}(q) - A A^\top) x` ``(N,)`` of rows :math:`x` ``(N, D)``.

    Args:
        differences: Rows :math:`x`.
        diagonal: Vector :math:`q`, ``(D,)``.
        root: Matrix :math:`A`, ``(D, r)``.

    Example:
        >>> mahalanobis(torch.tensor([[1.0, 2.0]]), torch.tensor([3.0, 1.0]), torch.tensor([[1.0], [0.0]]))
        tensor([6.])

    """
    distances: Tensor = differences.square() @ diagonal - (differences @ root).square().sum(1)
    return distances


class FeCAM(ClosedFormHead):
    r"""Assigns a feature to the class of the smallest :func:`correlation_mahalanobis` distance.

    Features and means are scaled to length 1 before their difference is taken; covariances are those of the features
    themselves. A later class has its own covariance plus the base classes' by :func:`~clsim.losses.similarity_weights`,
    and a :func:`~clsim.losses.calibrated_prototypes` mean.

    Args:
        width: Length ``D`` of a feature.
        classes: Number of class ids.
        rank: Principal directions kept of each covariance; exact for classes of no more images than that.
        shrinkage: Multiple of the mean variance of a class that is added to its variances.
        power: Power of Tukey's transformation; 1: none.
        calibrate: Whether later classes borrow statistics from base classes.
        shift: Share of similar base classes in the mean of a new class.
        sharpness: Factor of the cosines between means; the higher, the fewer base classes contribute.

    Attributes:
        means: Mean feature of each learned class, ``(C, D)``.
        factors: Factors of the covariances, ``(C, D, rank)``.
        ridges: Shrinkage of each class, ``(C,)``.

    Source: FeCAM (NeurIPS 2023, arXiv 2309.14062); calibration: arXiv 2404.06622.

    Example:
        >>> features = torch.tensor([[1.0, 0.1], [1.0, 0.2], [0.1, 1.0], [0.3, 1.0]])
        >>> head = FeCAM(2, 2, rank=1)
        >>> head.learn(features, torch.tensor([0, 0, 1, 1]), session=0)
        >>> head(features).argmax(1)
        tensor([0, 0, 1, 1])

    """

    means: Tensor
    factors: Tensor
    ridges: Tensor

    @checked
    def __init__(
        self,
        width: Count,
        classes: Count,
        *,
        rank: Count = 64,
        shrinkage: Positive = 1.0,
        power: Fraction = 1.0,
        calibrate: bool = True,
        shift: Fraction = 0.25,
        sharpness: NotNegative = 16.0,
    ) -> None:
        super().__init__(width, classes)
        self.rank = min(rank, width)
        self.shrinkage = shrinkage
        self.power = power
        self.calibrate = calibrate
        self.shift = shift
        self.sharpness = sharpness
        self.register_buffer("means", torch.zeros(classes, width))
        self.register_buffer("factors", torch.zeros(classes, width, self.rank))
        self.register_buffer("ridges", torch.ones(classes))
        self._inverses: dict[int, tuple[Tensor, Tensor]] = {}
        self._inverted: tuple[TensorVersion, ...] = ()

    def fit(self, features: Tensor, labels: Tensor, session: int) -> None:
        """Store means, covariances and shrinkage of the classes."""
        features = tukey(features, self.power)
        _, means = prototypes(features, labels)
        classes, factors = class_factors(features, labels, self.rank)
        if session > 0 and self.calibrate:
            base, known = self.base, self.means[self.base]
            weights = similarity_weights(F.normalize(means, dim=1), F.normalize(known, dim=1), self.sharpness)
            factors = mixed_factors(self.factors[base], weights, factors, self.rank)
            means = calibrated_prototypes(means, known, shift=self.shift, sharpness=self.sharpness)
        self.means[classes], self.factors[classes] = means, factors
        variances = factors.square().sum((1, 2)) / self.width
        # The variance of one image is unknown; an isotropic covariance leaves the Euclidean distance.
        self.ridges[classes] = (self.shrinkage * variances).where(variances > 0, 1.0).clamp_min(1e-8)

    def scores(self, features: Tensor) -> Tensor:
        """Return negative distances ``(B, C)``, 0 for classes that are not learned."""
        unit = F.normalize(tukey(features, self.power), dim=1)
        found = unit.new_zeros(len(unit), self.classes)
        for label in self.learned.nonzero().flatten().tolist():
            differences = unit - F.normalize(self.means[label], dim=0)
            found[:, label] = -mahalanobis(differences, *self._inverse(label))
        return found

    def _inverse(self, label: int) -> tuple[Tensor, Tensor]:
        """Return the :func:`inverse_correlation` of a class, computed once for the same buffers."""
        now = versions_of((self.factors, self.ridges))
        if now != self._inverted:
            self._inverted, self._inverses = now, {}
        if label not in self._inverses:
            self._inverses[label] = inverse_correlation(self.factors[label], self.ridges[label])
        return self._inverses[label]
