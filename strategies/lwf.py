"""Learning without Forgetting (LwF, arXiv 1606.09282): the old model's logits of old classes are distilled.

One network is trained from session to session. On each session's images its logits of earlier classes are kept close to
those at the start of the session, as soft targets: L = L_CE + alpha KL(p_old^(1/T) || p_new^(1/T)). No image is
stored. The loss is Avalanche's.
"""

from typing import Any

import torch
from avalanche.training.plugins import LwFPlugin
from avalanche.training.regularization import LearningWithoutForgetting
from torch import Tensor
from torch.nn import functional as F

from clsim import Strategy
from clsim.models import LinearClassifier, make_backbone
from clsim.plugins import BaseSession, ClassScope
from clsim.streams import Stream
from clsim.training.options import SessionTraining
from clsim.utils.arguments import NotNegative


class Distillation(LearningWithoutForgetting):
    """Avalanche's loss with the old classes as a tensor: copying a list to a GPU would block in each step."""

    _old: Any = None
    _columns: Tensor

    def _distillation_loss(self, out: Tensor, prev_out: Tensor, active_units: Any) -> Tensor:
        if self._old is not active_units:  # a session began
            self._old, self._columns = active_units, torch.tensor(list(active_units), device=out.device)
        logits, targets = out[:, self._columns] / self.temperature, prev_out[:, self._columns] / self.temperature
        return F.kl_div(logits.log_softmax(dim=1), targets.softmax(dim=1), reduction="batchmean")


class SteadyLwF(LwFPlugin):
    """Avalanche's plugin with the old network in evaluation mode; in training mode its logits depend on the batch."""

    def __init__(self, alpha: float, temperature: float) -> None:
        super().__init__(alpha, temperature)
        self.lwf = Distillation(alpha, temperature)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Copy the network as the old one, in evaluation mode."""
        super().after_training_exp(strategy, **kwargs)
        self.lwf.prev_model.eval().requires_grad_(False)


def build(
    stream: Stream,
    *,
    backbone: str = "resnet20",
    alpha: NotNegative = 1.0,
    temperature: float = 2.0,
    training: SessionTraining = SessionTraining(),
    device: str = "cpu",
) -> Strategy:
    """Compose LwF on a backbone with a linear classifier.

    Args:
        stream: Stream of sessions.
        backbone: Name of a timm model, which starts from random weights.
        alpha: Weight of the distillation loss; 0: fine-tuning.
        temperature: Temperature T of the softmax over old and new logits.
        training: Options of training.
        device: Device of the model.

    """
    return training.compose(
        LinearClassifier(make_backbone(backbone), len(stream.class_names)),
        [
            BaseSession(epochs=training.base_epochs, train_mb_size=training.base_batch_size),
            # Old classes stay in the loss: with those of the session alone there would be nothing to distill into.
            ClassScope(training="seen", evaluation="seen"),
            SteadyLwF(alpha=alpha, temperature=temperature),
        ],
        device=device,
    )
