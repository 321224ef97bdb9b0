"""Linear classifier fitted to all images so far: the upper reference on a frozen backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import LBFGS

from clsim.losses import balanced_softmax_cross_entropy
from clsim.models.heads.head import ClosedFormHead
from clsim.utils.arguments import Count, Positive, checked

CHECKED = 5
"""Iterations of the search between two checks of its distance to the minimum."""


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


def principal_axes(features: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return the eigenvalues and eigenvectors of the second moments :math:`\frac1N \sum_i f_i f_i^\top`.

    Args:
        features: Features ``(N, D)``.

    Returns:
        Eigenvalues ``(D,)`` in ascending order, and eigenvectors as columns, ``(D, D)``.

    Example:
        >>> values, vectors = principal_axes(torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
        >>> values.tolist(), vectors.abs().tolist()
        ([0.5, 2.0], [[0.0, 1.0], [1.0, 0.0]])

    """
    values, vectors = torch.linalg.eigh((features.T @ features / len(features)).double())
    return values.clamp_min(0).to(features.dtype), vectors.to(features.dtype)


def step_sizes(values: Tensor, counts: Tensor, decay: float) -> Tensor:
    r"""Return the scale of each class's weight along each axis, under which the loss is curved alike in all of them.

    .. math:: s_{cd} = \left(\pi_c (1 - \pi_c) v_d + \lambda\right)^{-1/2}, \quad \pi_c = n_c / N

    since a class's mean predicted probability is its frequency :math:`\pi_c` at the minimum.

    Args:
        values: Eigenvalues of the second moments, ``(D,)``.
        counts: Images of each class, ``(K,)``.
        decay: Strength of the penalty, above 0.

    Example:
        >>> step_sizes(torch.tensor([4.0]), torch.tensor([1, 3]), decay=0.25)
        tensor([[1.],
                [1.]])

    """
    shares = counts / counts.sum()
    return ((shares * (1 - shares))[:, None] * values + decay).rsqrt()


def joint_solution(
    features: Tensor,
    labels: Tensor,
    start: tuple[Tensor, Tensor],
    *,
    decay: float,
    counts: Tensor | None = None,
    axes: tuple[Tensor, Tensor] | None = None,
    iterations: int = 200,
    gap: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    r"""Return the weight and bias that minimize :func:`joint_loss`, by L-BFGS.

    The loss is strictly convex in the weight, so the start changes the time and not the result. The penalty bounds the
    distance of the loss to its minimum by :math:`\lVert \nabla L \rVert^2 / (2 \lambda)`, and the search ends once
    this is at most ``gap``.

    Args:
        features: Features ``(N, D)``.
        labels: Rows of their classes, ``(N,)``.
        start: Weight ``(K, D)`` and bias ``(K,)`` to start from.
        decay: Strength of the penalty, above 0.
        counts: Images of each class ``(K,)``; None: plain cross-entropy.
        axes: Eigenvalues and eigenvectors of :func:`principal_axes`, which change the time only; None: computed.
        iterations: Most iterations.
        gap: Bound on the distance to the least loss.

    Example:
        >>> features, start = torch.tensor([[1.0], [-1.0]]), (torch.zeros(2, 1), torch.zeros(2))
        >>> weight, _ = joint_solution(features, torch.tensor([0, 1]), start, decay=0.1)
        >>> bool(weight[0] > 0 > weight[1])
        True

    """
    values, vectors = axes or principal_axes(features)
    sizes = step_sizes(values, labels.bincount(minlength=len(start[1])), decay)
    # The search moves the weight along the axes, in steps of equal effect.
    moved = nn.Parameter(start[0] @ vectors / sizes)
    bias = nn.Parameter(start[1].clone())
    search = LBFGS(
        [moved, bias],
        max_iter=CHECKED,
        tolerance_grad=0,
        tolerance_change=0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )
    bound = torch.inf

    def closure() -> Tensor:
        nonlocal bound
        search.zero_grad()
        weight = (moved * sizes) @ vectors.T
        weight.retain_grad()
        loss = joint_loss(weight, bias, features, labels, decay=decay, counts=counts)
        loss.backward()  # type: ignore[no-untyped-call]
        assert weight.grad is not None and bias.grad is not None
        bound = float(weight.grad.square().sum() + bias.grad.square().sum()) / (2 * decay) if decay else torch.inf
        return loss

    with torch.enable_grad():
        for _ in range(0, iterations, CHECKED):
            search.step(closure)  # type: ignore[no-untyped-call]
            if bound <= gap:
                break
    return (moved.detach() * sizes) @ vectors.T, bias.detach()


class JointLinear(ClosedFormHead):
    """Linear classifier that each session fits to the images of all sessions so far, by :func:`joint_solution`.

    It expects all of them in :meth:`learn`, see ``cumulative`` of :class:`~clsim.plugins.FitHead`. Features are
    standardized by mean and deviation of the base session, whose second moments speed up the search.

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
        values: Eigenvalues of the second moments of its standardized features, ``(D,)``.
        vectors: Their eigenvectors, ``(D, D)``.

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
    values: Tensor
    vectors: Tensor

    @checked
    def __init__(
        self,
        width: Count,
        classes: Count,
        *,
        balanced: bool = False,
        decay: Positive = 1e-2,
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
        self.register_buffer("values", torch.ones(width))
        self.register_buffer("vectors", torch.eye(width))

    def fit(self, features: Tensor, labels: Tensor, session: int) -> None:
        """Fit the classifier to the images of all sessions so far, starting at the last one."""
        if session == 0:
            self.center.copy_(features.mean(0))
            deviation = features.std(0, correction=0)
            self.deviation.copy_(deviation.where(deviation > 0, 1.0))
            values, vectors = principal_axes(self._standardized(features))
            self.values.copy_(values)
            self.vectors.copy_(vectors)
        classes, rows = labels.unique(return_inverse=True)
        self.weight[classes], self.bias[classes] = joint_solution(
            self._standardized(features),
            rows,
            (self.weight[classes], self.bias[classes]),
            decay=self.decay,
            counts=rows.bincount() if self.balanced else None,
            axes=(self.values, self.vectors),
            iterations=self.iterations,
        )

    def scores(self, features: Tensor) -> Tensor:
        """Return logits ``(B, C)``."""
        return F.linear(self._standardized(features), self.weight, self.bias)

    def _standardized(self, features: Tensor) -> Tensor:
        return (features - self.center) / self.deviation
