"""CPE-CLIP's regulariser: the more has been learnt, the less a new session may move the prompts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from avalanche.training.plugins import SupervisedPlugin


def new_class_fraction(new: Collection[int], seen: Collection[int]) -> float:
    r"""Scale of a session's gradients, :math:`\alpha_t = |C_t| / \sum_{s \le t} |C_s|`; 1 in the base session.

    Args:
        new: classes of this session.
        seen: classes seen so far, these included.

    Source: ``CoLeLib/training/strategies/clip_pe.py`` of the authors' code.

    Example:
        >>> round(new_class_fraction(range(60, 65), range(65)), 4)
        0.0769

    """
    return len(new) / len(seen)


class NewClassGradientScale(SupervisedPlugin[Any]):
    """Multiplies gradients by :func:`new_class_fraction` just before the step; weight decay is not scaled."""

    def before_update(self, strategy: Any, **kwargs: Any) -> None:
        """Scales in place; the base session, where the fraction is 1, is left alone."""
        session = strategy.experience
        scale = new_class_fraction(session.classes_in_this_experience, session.classes_seen_so_far)
        if scale == 1.0:
            return
        for group in strategy.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.mul_(scale)
