"""Ridge regression on random features (RanPAC)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from clsim.losses import prototypes, similarity_weights
from clsim.models.heads.covariance import class_factors
from clsim.models.heads.head import ClosedFormHead
from clsim.utils.arguments import Count, Fraction, NotNegative, Whole, checked

RIDGES = tuple(10.0**power for power in range(1, 9))
"""Strengths of the ridge to choose from, as in the few-shot code of RanPAC."""


def ridge_solution(gram: Tensor, cross: Tensor, ridge: float | Tensor) -> Tensor:
    r"""Return :math:`(G + \lambda I)^{-1} Q`, the matrix that maps features to targets with least squares.

    Args:
        gram: Matrix :math:`G = H^\top H` over all images so far, ``(M, M)``.
        cross: Matrix :math:`Q = H^\top Y`, ``(M, C)``.
        ridge: Strength :math:`\lambda` above 0.

    Returns:
        ``(M, C)``.

    Source: RanPAC (NeurIPS 2023, arXiv 2307.02251).

    Example:
        >>> ridge_solution(torch.tensor([[3.0]]), torch.tensor([[2.0]]), 1.0)
        tensor([[0.5000]])

    """
    shifted = gram + ridge * torch.eye(len(gram), device=gram.device)
    solved: Tensor = torch.cholesky_solve(cross, torch.linalg.cholesky(shifted))
    return solved


def chosen_ridge(
    features: Tensor, targets: Tensor, ridges: Sequence[float] = RIDGES, *, held_out: float = 0.2
) -> float:
    r"""Return the strength of the ridge with the least squared error on rows held out.

    Args:
        features: Random features :math:`H`, ``(N, M)``.
        targets: One-hot rows :math:`Y`, ``(N, C)``.
        ridges: Strengths to choose from.
        held_out: Share of rows held out, drawn with a fixed seed.

    Source: RanPAC (arXiv 2307.02251); the authors hold out the last rows of a shuffled loader.

    Example:
        >>> features = torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]])
        >>> chosen_ridge(features, 2 * features, [0.1, 100.0])
        0.1

    """
    order = torch.randperm(len(features), generator=torch.Generator().manual_seed(0)).to(features.device)
    cut = max(1, int(len(features) * (1 - held_out)))
    fitted, tested = order[:cut], order[cut:]
    if len(tested) == 0:
        return ridges[0]
    rows, answers = features[fitted], targets[fitted]
    gram, cross = rows.T @ rows, rows.T @ answers
    held, wanted = features[tested], targets[tested]
    errors = [F.mse_loss(held @ ridge_solution(gram, cross, ridge), wanted) for ridge in ridges]
    return ridges[int(torch.stack(errors).argmin())]


def drawn_features(mean: Tensor, factors: Tensor, weights: Tensor, own: Tensor, count: int, mix: float) -> Tensor:
    r"""Return features drawn from :math:`\mathcal N(\mu, (1 - \beta) \sum_b w_b F_b F_b^\top + \beta F F^\top)`.

    Args:
        mean: Mean :math:`\mu`, ``(D,)``.
        factors: Factors :math:`F_b` of the base classes' covariances, ``(B, D, r)``.
        weights: Weights :math:`w_b`, ``(B,)``.
        own: Factor :math:`F` of the class's own covariance, ``(D, q)``.
        count: Number of features.
        mix: Share :math:`\beta` of the class's own covariance.

    Returns:
        ``(count, D)``, drawn with torch's global generator.

    Source: arXiv 2404.06622, ``models/ranpac.py`` of the authors' code, with :math:`\beta` one half.

    Example:
        >>> none = torch.zeros(2, 1)
        >>> drawn_features(torch.tensor([1.0, 2.0]), none.unsqueeze(0), torch.ones(1), none, 1, 0.5)
        tensor([[1., 2.]])

    """
    scaled = (((1 - mix) * weights).sqrt().view(-1, 1, 1) * factors).transpose(0, 1).flatten(1)
    columns = torch.cat([scaled, mix**0.5 * own], dim=1)
    noise = torch.randn(count, columns.shape[1], device=mean.device)
    return mean + noise @ columns.T


class RanPAC(ClosedFormHead):
    r"""Linear classifier on random features :math:`h = \max(0, W f)`, fitted by ridge regression over all sessions.

    Only sums over images are stored, so nothing learned earlier is lost. The ridge is chosen once, on the base
    session. With calibration, a few-shot class is learned from features drawn around a mean and with a covariance that
    it shares with similar base classes; they take the place of its few images.

    Args:
        width: Length ``D`` of a feature.
        classes: Number of class ids.
        dimensions: Number ``M`` of random features.
        few_shots: Most images of a class that is calibrated, after session 0; 0: never calibrate.
        own_weight: Weight of a class's own mean; the rest comes from similar base classes.
        covariance_mix: Share of a class's own covariance.
        sharpness: Factor of the dot products between means, which are not scaled to length 1.
        draws: Features drawn for each calibrated class.
        rank: Principal directions kept of each base covariance; exact for classes of no more images than that.

    Attributes:
        projection: Random matrix ``W``, ``(D, M)``, drawn with torch's global generator.
        gram: Sum of :math:`h h^\top`, ``(M, M)``.
        cross: Sum of :math:`h y^\top`, ``(M, C)``.
        ridge: Chosen strength, a scalar.
        weight: Classifier ``(M, C)``.

    Source: RanPAC (arXiv 2307.02251); few-shot form: arXiv 2404.06622, ``models/ranpac.py`` of the authors' code.

    Example:
        >>> features = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9], [0.0, 0.8]])
        >>> head = RanPAC(2, 2, dimensions=50)
        >>> head.learn(features, torch.tensor([0, 0, 1, 1, 1]), session=0)
        >>> head(features).argmax(1)
        tensor([0, 0, 1, 1, 1])

    """

    projection: Tensor
    gram: Tensor
    cross: Tensor
    ridge: Tensor
    weight: Tensor
    means: Tensor
    factors: Tensor

    @checked
    def __init__(
        self,
        width: Count,
        classes: Count,
        *,
        dimensions: Count = 10_000,
        few_shots: Whole = 20,
        own_weight: Fraction = 0.75,
        covariance_mix: Fraction = 0.5,
        sharpness: NotNegative = 16.0,
        draws: Count = 800,
        rank: Count = 64,
    ) -> None:
        super().__init__(width, classes)
        self.few_shots = few_shots
        self.own_weight = own_weight
        self.covariance_mix = covariance_mix
        self.sharpness = sharpness
        self.draws = draws
        self.rank = min(rank, width)
        self.register_buffer("projection", torch.randn(width, dimensions))
        self.register_buffer("gram", torch.zeros(dimensions, dimensions))
        self.register_buffer("cross", torch.zeros(dimensions, classes))
        self.register_buffer("ridge", torch.tensor(RIDGES[0]))
        self.register_buffer("weight", torch.zeros(dimensions, classes))
        self.register_buffer("means", torch.zeros(classes, width))
        self.register_buffer("factors", torch.zeros(classes, width, self.rank))

    def lifted(self, features: Tensor) -> Tensor:
        """Return random features ``(B, M)``."""
        return F.relu(features @ self.projection)

    def fit(self, features: Tensor, labels: Tensor, session: int) -> None:
        """Add a session to the sums and solve for the classifier."""
        if session > 0 and self.few_shots:
            features, labels = self._calibrated(features, labels)
        elif self.few_shots:
            classes, self.means[labels.unique()] = prototypes(features, labels)
            self.factors[classes] = class_factors(features, labels, self.rank)[1]
        lifted, targets = self.lifted(features), F.one_hot(labels, self.classes).float()
        if session == 0:
            self.ridge.fill_(chosen_ridge(lifted, targets))
        self.gram += lifted.T @ lifted
        self.cross += lifted.T @ targets
        self.weight.copy_(ridge_solution(self.gram, self.cross, self.ridge))

    def scores(self, features: Tensor) -> Tensor:
        """Return the regression's values ``(B, C)``, near 1 for the class of the image."""
        return self.lifted(features) @ self.weight

    def _calibrated(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return drawn features in place of those of few-shot classes, and their class ids."""
        known, factors = self.means[self.base], self.factors[self.base]
        found, answers = [], []
        for label in labels.unique():
            rows = features[labels == label]
            if len(rows) <= self.few_shots:
                mean = rows.mean(0)
                weights = similarity_weights(mean.unsqueeze(0), known, self.sharpness)[0]
                mean = self.own_weight * mean + (1 - self.own_weight) * weights @ known
                own = ((rows - rows.mean(0)) / max(1, len(rows) - 1) ** 0.5).T
                rows = drawn_features(mean, factors, weights, own, self.draws, self.covariance_mix)
            found.append(rows)
            answers.append(label.expand(len(rows)))
        return torch.cat(found), torch.cat(answers)
