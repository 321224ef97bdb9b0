"""Feature distillation: features of a session's images are held to those that the network gave when it began.

One network goes on from session to session, L = L_CE + alpha (1 - cos(f_new(x), f_old(x))), and no image is kept. What
LwF asks of the scores, this asks of what is stored and searched; so an old index stays readable, as far as the new
images speak for the old ones. The loss is Avalanche's.
"""

from functools import partial
from typing import Any, Literal

from avalanche.training.plugins.feature_distillation import FeatureDistillationPlugin
from torch.optim import SGD

from clsim import Strategy
from clsim.models import LinearClassifier
from clsim.models.backbones import make_backbone
from clsim.plugins import BaseSession, ClassScope
from clsim.streams import Stream
from clsim.utils.arguments import Count, Fraction, NotNegative, Whole


class SteadyFeatures(FeatureDistillationPlugin):
    """Avalanche's plugin leaves the old network in training mode, where its features change with the batch."""

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Keeps the old network, in evaluation mode."""
        super().after_training_exp(strategy, **kwargs)
        self.prev_model.eval().requires_grad_(False)


def build(
    stream: Stream,
    *,
    backbone: str = "resnet20",
    alpha: NotNegative = 1.0,
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
    """Composes feature distillation on a backbone with a linear classifier.

    Args:
        stream: gives the number of classes.
        backbone: a timm model, with random weights.
        alpha: weight of the distillation; 0 is fine-tuning.
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
            ClassScope(training="seen", evaluation="seen"),
            SteadyFeatures(alpha=alpha, mode="cosine"),  # its mode "mse" calls torch in a way that raises
        ],
        precision=precision,
        compile=compile,
    )
