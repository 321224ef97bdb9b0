"""Nearest class mean: each image is assigned to the class whose mean feature is nearest by cosine (SimpleCIL).

The backbone stays frozen and nothing is trained (arXiv 2303.07338). The lower reference for every head on a frozen
backbone: a method with more to learn must do better.
"""

from clsim import Strategy
from clsim.models import FrozenBackbone, FrozenClassifier, freeze
from clsim.models.heads import NearestMean
from clsim.plugins import ClassScope, FitHead
from clsim.streams import Stream
from clsim.training.options import Precision
from clsim.utils.arguments import NotNegative

STREAMS = ("fscil", "incremental")


def build(
    stream: Stream,
    *,
    backbone: FrozenBackbone | str = "tf_efficientnet_lite2",
    scale: NotNegative = 16.0,
    precision: Precision = "fp32",
    device: str = "cpu",
) -> Strategy:
    """Compose nearest class mean.

    Args:
        stream: Stream of sessions.
        backbone: Frozen backbone: entry of the scenario's models, or name of a packaged model.
        scale: Factor of the cosines in the logits; it changes the probabilities and not the prediction.
        precision: Floating-point format of the backbone's pass.
        device: Device of the model.

    """
    frozen = freeze(backbone)
    head = NearestMean(frozen.num_features, len(stream.class_names), scale=scale)
    return Strategy(
        model=FrozenClassifier(frozen, head),
        train_epochs=0,
        device=device,
        plugins=[ClassScope(training="seen", evaluation="seen"), FitHead(head)],
        precision=precision,
    )
