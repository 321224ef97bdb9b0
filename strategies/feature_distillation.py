"""Feature distillation: features of a session's images are kept close to those at the start of the session.

One network is trained from session to session, L = L_CE + alpha (1 - cos(f_new(x), f_old(x))), and no image is stored.
LwF distills logits; this distills the features, which are stored and searched. So an old index stays searchable, as
far as the new images represent the old ones. The loss is Avalanche's.
"""

from typing import Any

from avalanche.training.plugins.feature_distillation import FeatureDistillationPlugin

from clsim import Strategy
from clsim.models import LinearClassifier, make_backbone
from clsim.plugins import BaseSession, ClassScope
from clsim.streams import Stream
from clsim.training.options import SessionTraining
from clsim.utils.arguments import NotNegative


class SteadyFeatures(FeatureDistillationPlugin):
    """Avalanche's plugin with the old network in evaluation mode; in training mode its features depend on the batch."""

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Keep a copy of the network as the teacher, in evaluation mode."""
        super().after_training_exp(strategy, **kwargs)
        self.prev_model.eval().requires_grad_(False)


def build(
    stream: Stream,
    *,
    backbone: str = "resnet20",
    alpha: NotNegative = 1.0,
    training: SessionTraining = SessionTraining(),
    device: str = "cpu",
) -> Strategy:
    """Compose feature distillation on a backbone with a linear classifier.

    Args:
        stream: Stream of sessions.
        backbone: Name of a timm model, which starts from random weights.
        alpha: Weight of the distillation loss; 0: fine-tuning.
        training: Options of training.
        device: Device of the model.

    """
    return training.compose(
        LinearClassifier(make_backbone(backbone), len(stream.class_names)),
        [
            BaseSession(epochs=training.base_epochs, train_mb_size=training.base_batch_size),
            ClassScope(training="seen", evaluation="seen"),
            SteadyFeatures(alpha=alpha, mode="cosine"),  # its mode "mse" calls torch in a way that raises
        ],
        device=device,
    )
