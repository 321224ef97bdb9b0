"""CPE-CLIP's regularizer: the more classes have been learned, the less a new session may move the prompts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from avalanche.training.plugins import SupervisedPlugin

from clsim.plugins.state import AttributeState
from clsim.utils.template import Template


def new_class_fraction(new: Collection[int], seen: Collection[int]) -> float:
    r"""Return the scale of a session's gradients, :math:`\alpha_t = |C_t| / \sum_{s \le t} |C_s|`; 1 at first.

    Args:
        new: Classes of this session.
        seen: Classes seen so far, including those of this session.

    Source: ``CoLeLib/training/strategies/clip_pe.py`` of the authors' code.

    Example:
        >>> round(new_class_fraction(range(60, 65), range(65)), 4)
        0.0769

    """
    return len(new) / len(seen)


class NewClassGradientScale(AttributeState, SupervisedPlugin[Any]):
    """Multiplies gradients by :func:`new_class_fraction` just before the step; weight decay is not scaled.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> weight = torch.ones(1, requires_grad=True)
        >>> (4 * weight).sum().backward()
        >>> session = SimpleNamespace(classes_in_this_experience={3}, classes_seen_so_far={0, 1, 2, 3})
        >>> strategy = SimpleNamespace(experience=session, optimizer=torch.optim.SGD([weight]))
        >>> NewClassGradientScale().before_update(strategy)
        >>> weight.grad
        tensor([1.])

    """

    state_names: ClassVar[tuple[str, ...]] = ()

    def before_update(self, strategy: Template, **kwargs: Any) -> None:
        """Scale the gradients in place; skip the base session, where the fraction is 1."""
        session = strategy.experience
        scale = new_class_fraction(session.classes_in_this_experience, session.classes_seen_so_far)
        if scale == 1.0:
            return
        for group in strategy.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.mul_(scale)
