"""Losses between the features of the model and of a frozen copy of it, taken when the session began."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar, cast

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

from clsim.models.protocols import Embedder, require
from clsim.plugins.batch_features import batch_features
from clsim.streams.session import replacements_of
from clsim.training.phases import Phase
from clsim.utils.arguments import NotNegative, checked
from clsim.utils.device import autocast_of
from clsim.utils.template import Template

FeatureLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Function from new features ``(B, D)``, old ones and class ids ``(B,)`` to a scalar."""


class FeatureTeacher(SupervisedPlugin[Any]):
    r"""Replaces the loss :math:`L` by :math:`w_1 L + w_2 \ell(v, u, y)`, with the features of model and teacher.

    The teacher is a frozen copy, in evaluation mode, of the model that the session starts from. Where the session
    starts with a replacement model, the teacher is a copy of that, not of the model fine-tuned before (arXiv
    2405.02581). In session 0 of a stream without a replacement the model has random weights.

    Args:
        loss: Loss between features, for instance :func:`~clsim.losses.higher_order_compatibility`.
        weight: Weight :math:`w_2` of the loss between features.
        own_weight: Weight :math:`w_1` of the strategy's loss.
        old_classes_only: Whether to compare images of earlier sessions' classes only, which are the remembered ones.
            Counting them waits for the device in every step.
        from_start: Whether a model with random weights teaches in session 0.

    Example:
        The first step of a session compares equal features; session 0 has no teacher.

        >>> from functools import partial
        >>> from clsim.data.datasets.shapes import shapes
        >>> from clsim.models import StationaryClassifier
        >>> from clsim.streams import incremental
        >>> from clsim.training import Strategy
        >>> def distance(new, old, labels):
        ...     print(tuple(new.shape), bool(new.equal(old)))
        ...     return (new - old).square().mean()
        >>> backbone = nn.Sequential(nn.Flatten(), nn.Linear(3072, 8))
        >>> backbone.num_features = 8
        >>> teacher, optimizer = FeatureTeacher(distance, weight=1.0), partial(torch.optim.SGD, lr=0.1)
        >>> strategy = Strategy(model=StationaryClassifier(backbone, 16), optimizer=optimizer, plugins=[teacher])
        >>> for session in incremental(shapes(4, train=5, test=1), base_classes=2, ways=2).train_stream:
        ...     _ = strategy.train(session, eval_streams=[])
        (10, 15) True

    """

    phase: ClassVar[Phase] = Phase.LOSS

    @checked
    def __init__(
        self,
        loss: FeatureLoss,
        *,
        weight: NotNegative,
        own_weight: NotNegative = 1.0,
        old_classes_only: bool = False,
        from_start: bool = False,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.weight = weight
        self.own_weight = own_weight
        self.old_classes_only = old_classes_only
        self.from_start = from_start
        self.teacher: nn.Module | None = None
        self._current = torch.zeros(0, dtype=torch.long)

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Copy the model, which was replaced already if the session begins with a replacement."""
        session = strategy.experience
        replaced = any(replacement.before_session for replacement in replacements_of(session))
        taught = self.from_start or session.current_experience > 0 or replaced
        self.teacher = self._frozen(strategy.model) if taught else None
        self._current = torch.tensor(sorted(session.classes_in_this_experience)).to(strategy.device)

    def model_replaced(self, strategy: Template) -> None:
        """Make the model that arrived amid the session the teacher of the rest of it."""
        self.teacher = self._frozen(strategy.model)

    def before_backward(self, strategy: Template, **kwargs: Any) -> None:
        """Add the loss between features."""
        if self.teacher is None:
            return
        new, labels = batch_features(strategy, self), strategy.mb_y
        with torch.no_grad(), autocast_of(strategy):
            old = cast(Embedder, self.teacher).embed(strategy.mb_x)
        if self.old_classes_only:
            remembered = (~torch.isin(labels, self._current)).nonzero().flatten()
            new, old, labels = new[remembered], old[remembered], labels[remembered]
        strategy.loss = self.own_weight * strategy.loss + self.weight * self.loss(new.float(), old.float(), labels)

    def after_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Release the teacher."""
        self.teacher = None

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: a resumed session copies its teacher again."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Ignore the state, which is empty."""

    def _frozen(self, model: nn.Module) -> nn.Module:
        require(model, Embedder, self)
        return deepcopy(model).eval().requires_grad_(False)
