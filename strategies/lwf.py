"""Learning without Forgetting (LwF, arXiv 1606.09282): what the network said of old classes, it is to say again.

One network goes on from session to session. On each session's images its scores of the classes seen before are held,
as soft targets, to those that it gave when the session began: L = L_CE + alpha KL(p_old^(1/T) || p_new^(1/T)). No image
is kept. The loss is Avalanche's.
"""

from functools import partial
from typing import Any, Literal

import torch
from avalanche.training.plugins import LwFPlugin
from avalanche.training.regularization import LearningWithoutForgetting
from torch import Tensor
from torch.nn import functional as F
from torch.optim import SGD

from clsim import Strategy
from clsim.models import LinearClassifier
from clsim.models.backbones import make_backbone
from clsim.plugins import BaseSession, ClassScope
from clsim.streams import Stream
from clsim.utils.arguments import Count, Fraction, NotNegative, Whole


class Distillation(LearningWithoutForgetting):
    """Avalanche's loss with the old classes as a tensor: a list would be copied to a GPU in each step, which waits."""

    _old: Any = None
    _columns: Tensor

    def _distillation_loss(self, out: Tensor, prev_out: Tensor, active_units: Any) -> Tensor:
        if self._old is not active_units:  # a session began
            self._old, self._columns = active_units, torch.tensor(list(active_units), device=out.device)
        scores, held = out[:, self._columns] / self.temperature, prev_out[:, self._columns] / self.temperature
        return F.kl_div(scores.log_softmax(dim=1), held.softmax(dim=1), reduction="batchmean")


class SteadyLwF(LwFPlugin):
    """Avalanche's plugin leaves the old network in training mode, where its scores change with the batch."""

    def __init__(self, alpha: float, temperature: float) -> None:
        super().__init__(alpha, temperature)
        self.lwf = Distillation(alpha, temperature)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Keeps the old network, in evaluation mode."""
        super().after_training_exp(strategy, **kwargs)
        self.lwf.prev_model.eval().requires_grad_(False)


def build(
    stream: Stream,
    *,
    backbone: str = "resnet20",
    alpha: NotNegative = 1.0,
    temperature: float = 2.0,
    epochs: Whole = 5,
    base_epochs: Whole = 5,
    batch_size: Count = 25,
    base_batch_size: Count = 128,
    lr: NotNegative = 0.01,
    momentum: Fraction = 0.9,
    weight_decay: NotNegative = 5e-4,
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    compile: Literal["auto", "on", "off"] = "auto",
    device: str = "cpu",
) -> Strategy:
    """Composes LwF on a backbone with a linear classifier.

    Args:
        stream: gives the number of classes.
        backbone: a timm model, with random weights.
        alpha: weight of the distillation; 0 is fine-tuning.
        temperature: T, of the softmax of old and new scores.
        epochs: passes over a later session.
        base_epochs: passes over the base session.
        batch_size: of a later session.
        base_batch_size: of the base session.
        lr: learning rate, constant.
        momentum: of SGD.
        weight_decay: of SGD.
        precision: of the forward pass.
        compile: compile the forward pass; auto: in long sessions on a GPU, and replay short ones if the model may be.
        device: where it runs.

    """
    return Strategy(
        model=LinearClassifier(make_backbone(backbone), len(stream.class_names)),
        optimizer=partial(SGD, lr=lr, momentum=momentum, weight_decay=weight_decay),
        train_mb_size=batch_size,
        train_epochs=epochs,
        device=device,
        plugins=[
            BaseSession(epochs=base_epochs, train_mb_size=base_batch_size),
            # Old classes stay in the loss: with those of the session alone there would be nothing to distil into.
            ClassScope(training="seen", evaluation="seen"),
            SteadyLwF(alpha=alpha, temperature=temperature),
        ],
        precision=precision,
        compile=compile,
    )
