"""Features are held to those of the model as it was when the session began."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

from clsim.utils.arguments import NotNegative, checked
from clsim.utils.device import autocast_of

FeatureLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""New features ``(B, D)``, old ones, class ids ``(B,)`` to a scalar."""


class FeatureTeacher(SupervisedPlugin[Any]):
    r"""Turns the loss :math:`L` into :math:`w_1 L + w_2 \ell(v, u, y)`, with the features of model and teacher.

    The teacher is a frozen copy, in evaluation mode, of the model that the session starts from. Where a replacement
    arrives it is therefore the arrival, and not the model that was fine-tuned before (arXiv 2405.02581). In session 0
    of a stream without an arrival the starting model has random weights; ``from_start`` says whether it teaches.

    Args:
        loss: between features, for instance :func:`~clsim.losses.higher_order_compatibility`.
        weight: :math:`w_2`.
        own_weight: :math:`w_1`.
        old_classes_only: compare images of earlier sessions' classes alone, which are the remembered ones. How many
            these are, each step waits for the device to say.
        from_start: Whether session 0 has a teacher even if no model arrives before it.

    """

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

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Copies the model, which has just been replaced if it is to be."""
        session = strategy.experience
        arrived = any(replacement.before_session for replacement in getattr(session, "replacements", ()))
        taught = self.from_start or session.current_experience > 0 or arrived
        self.teacher = _frozen(strategy.model) if taught else None
        self._current = torch.tensor(sorted(session.classes_in_this_experience)).to(strategy.device)

    def model_replaced(self, strategy: Any) -> None:
        """The model that arrived in the middle of the session is the teacher of the rest of it."""
        self.teacher = _frozen(strategy.model)

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Adds the loss between features."""
        if self.teacher is None:
            return
        new, labels = strategy.model.features, strategy.mb_y
        with torch.no_grad(), autocast_of(strategy):
            old = self.teacher.embed(strategy.mb_x)  # type: ignore[operator]
        if self.old_classes_only:
            kept = (~torch.isin(labels, self._current)).nonzero().flatten()
            new, old, labels = new[kept], old[kept], labels[kept]
        strategy.loss = self.own_weight * strategy.loss + self.weight * self.loss(new.float(), old.float(), labels)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Its work is done."""
        self.teacher = None

    def state_dict(self) -> dict[str, Any]:
        """Empty: a session that is resumed copies its teacher again."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing is stored."""


def _frozen(model: nn.Module) -> nn.Module:
    return deepcopy(model).eval().requires_grad_(False)
