"""Zero-shot CLIP with a cache of labeled image features (Tip-Adapter)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from clsim.models.heads.head import ClosedFormHead
from clsim.utils.arguments import Count, NotNegative, checked


def cache_logits(features: Tensor, keys: Tensor, values: Tensor, sharpness: float | Tensor) -> Tensor:
    r"""Return the logits of a cache of labeled features, :math:`\exp(-\beta (1 - f K^\top)) \, V`.

    Args:
        features: Unit features ``(N, D)``.
        keys: Unit features :math:`K` of the cached images, ``(M, D)``.
        values: Their one-hot classes :math:`V`, ``(M, C)``; a row of zeros is an empty place.
        sharpness: Factor :math:`\beta`.

    Returns:
        ``(N, C)``.

    Source: Tip-Adapter (arXiv 2111.03930), ``main.py`` of the authors' code.

    Example:
        >>> keys, values = torch.eye(2), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> cache_logits(torch.tensor([[1.0, 0.0]]), keys, values, 1.0)  # 1 and exp(-1)
        tensor([[1.0000, 0.3679]])

    """
    return (-sharpness * (1 - features @ keys.T)).exp() @ values


class TipAdapter(ClosedFormHead):
    r"""Adds a cache of a few images of each class to the logits of zero-shot CLIP.

    .. math:: z = 100 \, f T^\top + \alpha \exp(-\beta (1 - f K^\top)) \, V

    The base session chooses :math:`\alpha` and :math:`\beta` on images that are not in the cache. Without such images
    the given values stay.

    Args:
        texts: Unit text features of all classes, ``(C, D)``.
        shots: Images of each class in the cache, at most; the first ones.
        alpha: Weight :math:`\alpha` of the cache to start with.
        beta: Sharpness :math:`\beta` of the cache to start with.
        steps: Number of values of each to search through; 0: no search.
        highest_alpha: Highest weight that is tried.
        highest_beta: Highest sharpness that is tried.
        searched: Images of the search, at most.

    Attributes:
        keys: Cached unit features, ``(C, shots, D)``.
        filled: Places in use, ``(C, shots)`` bool.

    Source: Tip-Adapter (ECCV 2022, arXiv 2111.03930), without training.

    Example:
        >>> head = TipAdapter(torch.eye(2), shots=1, steps=0)
        >>> head.learn(torch.tensor([[0.0, 2.0], [1.0, 0.0]]), torch.tensor([1, 0]), session=0)
        >>> head(torch.tensor([[0.0, 3.0]])).softmax(1).round()
        tensor([[0., 1.]])

    """

    LOGIT_SCALE = 100.0

    texts: Tensor
    keys: Tensor
    filled: Tensor
    alpha: Tensor
    beta: Tensor

    @checked
    def __init__(
        self,
        texts: Tensor,
        *,
        shots: Count = 16,
        alpha: NotNegative = 1.17,
        beta: NotNegative = 1.0,
        steps: int = 20,
        highest_alpha: NotNegative = 10.0,
        highest_beta: NotNegative = 7.0,
        searched: Count = 3000,
    ) -> None:
        super().__init__(texts.shape[1], len(texts))
        self.shots = shots
        self.steps = steps
        self.highest = (highest_alpha, highest_beta)
        self.searched = searched
        self.register_buffer("texts", F.normalize(texts.float(), dim=1), persistent=False)
        self.register_buffer("keys", torch.zeros(len(texts), shots, texts.shape[1]))
        self.register_buffer("filled", torch.zeros(len(texts), shots, dtype=torch.bool))
        self.register_buffer("alpha", torch.tensor(float(alpha)))
        self.register_buffer("beta", torch.tensor(float(beta)))

    def fit(self, features: Tensor, labels: Tensor, session: int) -> None:
        """Fill the cache; the base session also searches."""
        unit, cached = F.normalize(features, dim=1), torch.zeros_like(labels, dtype=torch.bool)
        for label in labels.unique().tolist():
            chosen = (labels == label).nonzero().flatten()[: self.shots]
            cached[chosen] = True
            self.keys[label, : len(chosen)] = unit[chosen]
            self.filled[label] = torch.arange(self.shots, device=labels.device) < len(chosen)
        if session == 0 and self.steps and not bool(cached.all()):
            rest, answers = unit[~cached], labels[~cached]
            every = -(-len(rest) // self.searched)
            self._search(rest[::every], answers[::every])

    def scores(self, features: Tensor) -> Tensor:
        """Return logits ``(B, C)``."""
        unit = F.normalize(features, dim=1)
        return self.LOGIT_SCALE * unit @ self.texts.T + self.alpha * self._cache_logits(unit, self.beta)

    def _cache_logits(self, unit: Tensor, sharpness: Tensor) -> Tensor:
        labels = self.filled.nonzero()[:, 0]
        return cache_logits(unit, self.keys[self.filled], F.one_hot(labels, self.classes).float(), sharpness)

    def _search(self, unit: Tensor, labels: Tensor) -> None:
        """Set the pair with the highest accuracy on held-out images of the base session; the first one among equals."""
        classes, rows = labels.unique(return_inverse=True)
        text = (self.LOGIT_SCALE * unit @ self.texts.T)[:, classes]
        best = -1
        alphas, betas = (torch.linspace(0, high, self.steps + 1)[1:].to(unit.device) for high in self.highest)
        for beta in betas:
            cache = self._cache_logits(unit, beta)[:, classes]
            for alpha in alphas:
                correct = int(((text + alpha * cache).argmax(1) == rows).sum())
                if correct > best:
                    best = correct
                    self.alpha.copy_(alpha)
                    self.beta.copy_(beta)
