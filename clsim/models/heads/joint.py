"""Linear classifier fitted to all images so far: the upper reference on a frozen backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import LBFGS

from clsim.losses import balanced_softmax_cross_entropy
from clsim.models.heads.head import ClosedFormHead
from clsim.utils.arguments import Count, NotNegative, checked


def joint_loss(
    weight: Tensor, bias: Tensor, features: Tensor, labels: Tensor, *, decay: float, counts: Tensor | None = None
) -> Tensor:
    r"""Return the loss of a linear classifier over all images so far.

    .. math:: L = \frac1N \sum_i \operatorname{CE}(W f_i + b, y_i) + \frac{\lambda}{2} \lVert W \rVert_F^2

    Args:
        weight: Matrix :math:`W`, ``(K, D)``.
        bias: Vector :math:`b`, ``(K,)``.
        features: Features ``(N, D)``.
        labels: Rows of their classes, ``(N,)``.
        decay: Strength :math:`\lambda` of the penalty.
        counts: Images of each class, ``(K,)``, for :func:`~clsim.losses.balanced_softmax_cross_entropy`; None: plain
            cross-entropy.

    Example:
        >>> joint_loss(torch.ones(2, 1), torch.zeros(2), torch.ones(1, 1), torch.tensor([0]), decay=1.0)  # log 2 + 1
        tensor(1.6931)

    """
    logits = F.linear(features, weight, bias)
    penalty = decay / 2 * weight.square().sum()
    if counts is None:
        return F.cross_entropy(logits, labels) + penalty
    return balanced_softmax_cross_entropy(logits, labels, counts) + penalty


def joint_solution(
    features: Tensor,
    labels: Tensor,
    start: tuple[Tensor, Tensor],
    *,
    decay: float,
    counts: Tensor | None = None,
    iterations: int = 200,
    tolerance: float = 1e-6,
) -> tuple[Tensor, Tensor]:
    """Return the weight and bias that minimize :func:`joint_loss`.

    The loss is strictly convex in the weight, so the start changes the time and not the result.

    Args:
        features: Features ``(N, D)``.
        labels: Rows of their classes, ``(N,)``.
        start: Weight ``(K, D)`` and bias ``(K,)`` to start from.
        decay: Strength of the penalty, above 0.
        counts: Images of each class ``(K,)``; None: plain cross-entropy.
        iterations: Most iterations of L-BFGS.
        tolerance: Largest entry of the gradient at which it stops.

    Example:
        >>> features, start = torch.tensor([[1.0], [-1.0]]), (torch.zeros(2, 1), torch.zeros(2))
        >>> weight, _ = joint_solution(features, torch.tensor([0, 1]), start, decay=0.1)
        >>> bool(weight[0] > 0 > weight[1])
        True

    """
    weight, bias = (nn.Parameter(part.clone()) for part in start)
    search = LBFGS(
        [weight, bias],
        max_iter=iterations,
        tolerance_grad=tolerance,
        tolerance_change=0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        search.zero_grad()
        loss = joint_loss(weight, bias, features, labels, decay=decay, counts=counts)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        search.step(closure)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


class JointLinear(ClosedFormHead):
    """Linear classifier that each session fits to the images of all sessions so far, by :func:`joint_solution`.

    It expects all of them in :meth:`learn`, see ``cumulative`` of :class:`~clsim.plugins.FitHead`. Features are
    standardized by mean and deviation of the base session, which speeds up the search.

    Args:
        width: Length ``D`` of a feature.
        classes: Number of class ids.
        balanced: Whether logits are shifted by the log-frequency of their class in training (balanced softmax).
        decay: Strength of the penalty on the weight.
        iterations: Most iterations of the search in a session.

    Attributes:
        weight: Rows ``(C, D)`` for standardized features.
        bias: Bias ``(C,)``.
        center: Mean feature of the base session, ``(D,)``.
        deviation: Standard deviation of its features, ``(D,)``.

    Source: joint references with frozen features; balanced softmax as in arXiv 2503.10003.

    Example:
        >>> features = torch.tensor([[1.0, 0.0], [0.8, 0.0], [0.0, 1.0], [0.1, 0.9]])
        >>> head = JointLinear(2, 2)
        >>> head.learn(features, torch.tensor([0, 0, 1, 1]), session=0)
        >>> head(features).argmax(1)
        tensor([0, 0, 1, 1])

    """

    weight: Tensor
    bias: Tensor
    center: Tensor
    deviation: Tensor

    @checked
    def __init__(
        self,
        width: Count,
        classes: Count,
        *,
        balanced: bool = False,
        decay: NotNegative = 1e-4,
        iterations: Count = 200,
    ) -> None:
        super().__init__(width, classes)
        self.balanced = balanced
        self.decay = decay
        self.iterations = iterations
        self.register_buffer("weight", torch.zeros(classes, width))
        self.register_buffer("bias", torch.zeros(classes))
        self.register_buffer("center", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def fit(self, features: Tensor, labels: Tensor, session: int) -> None:
        """Fit the classifier to the images of all sessions so far, starting at the last one."""
        if session == 0:
            self.center.copy_(features.mean(0))
            deviation = features.std(0, correction=0)
            self.deviation.copy_(deviation.where(deviation > 0, 1.0))
        classes, rows = labels.unique(return_inverse=True)
        self.weight[classes], self.bias[classes] = joint_solution(
            self._standardized(features),
            rows,
            (self.weight[classes], self.bias[classes]),
            decay=self.decay,
            counts=rows.bincount() if self.balanced else None,
            iterations=self.iterations,
        )

    def scores(self, features: Tensor) -> Tensor:
        """Return logits ``(B, C)``."""
        return F.linear(self._standardized(features), self.weight, self.bias)

    def _standardized(self, features: Tensor) -> Tensor:
        return (features - self.center) / self.deviation
