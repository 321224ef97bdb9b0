"""Classes that compete: those of the session while training, those seen so far in evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import torch
from avalanche.training.plugins import SupervisedPlugin

from clsim.losses import EXCLUDED, excluded_columns
from clsim.models.protocols import ScoresClasses
from clsim.plugins.state import AttributeState
from clsim.utils.arguments import checked
from clsim.utils.template import Template

Scope = Literal["current", "seen", "all"]


class ClassScope(AttributeState, SupervisedPlugin[Any]):
    """Excludes the logits of classes that are out of scope.

    A model that can :meth:`~clsim.models.protocols.ScoresClasses.score_only`, such as
    :class:`~clsim.models.PromptedCLIP`, does not compute the others at all. For CPE-CLIP's loss
    (``training="current"``) that is exact: an excluded logit has softmax 0 and gradient 0, so the texts of old classes
    need not be encoded.

    Args:
        training: Classes in the loss.
        evaluation: Classes among which a test image is classified.

    Example:
        >>> ClassScope(training="current", evaluation="seen").training
        'current'

    """

    state_names: ClassVar[tuple[str, ...]] = ("_classes", "_seen")

    @checked
    def __init__(self, training: Scope = "current", evaluation: Scope = "seen") -> None:
        super().__init__()
        self.training: Scope = training
        self.evaluation: Scope = evaluation
        self._classes: torch.Tensor | None = None
        self._excluded: torch.Tensor | None = None
        self._seen: set[int] = set()

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Enter the training scope."""
        session = strategy.experience
        self._seen = set(session.classes_seen_so_far)
        scopes = {"current": session.classes_in_this_experience, "seen": self._seen, "all": None}
        self._enter(strategy, scopes[self.training])

    def before_eval(self, strategy: Template, **kwargs: Any) -> None:
        """Enter the evaluation scope; before any training every class of the evaluated stream counts as seen."""
        seen = self._seen or {c for e in strategy.current_eval_stream for c in e.classes_in_this_experience}
        self._during_training = self._classes
        self._enter(strategy, seen if self.evaluation == "seen" else None)

    def after_eval(self, strategy: Template, **kwargs: Any) -> None:
        """Return to the training scope, for evaluations amid a session."""
        self._enter(strategy, None if self._during_training is None else self._during_training.tolist())

    def after_forward(self, strategy: Template, **kwargs: Any) -> None:
        """Mask the logits of excluded classes."""
        if self._classes is None:
            return
        logits = strategy.mb_output
        if self._excluded is None or len(self._excluded) != logits.shape[1]:  # the first batch of the scope
            self._excluded = excluded_columns(logits.shape[1], self._classes)
        strategy.mb_output = logits.masked_fill(self._excluded, EXCLUDED)

    after_eval_forward = after_forward

    def _enter(self, strategy: Template, classes: Iterable[int] | None) -> None:
        self._excluded = None
        self._classes = None if classes is None else torch.tensor(sorted(classes), device=strategy.device)
        if isinstance(strategy.model, ScoresClasses):
            strategy.model.score_only(self._classes)
