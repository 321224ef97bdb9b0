"""TEEN: nearest class mean, with few-shot prototypes shifted towards similar base classes (arXiv 2312.05229).

A few images give a poor estimate of a class's mean. The base classes that it resembles correct it, in closed form. The
published backbone is trained on the base session; here it is any frozen one.
"""

from clsim import Strategy
from clsim.models import FrozenBackbone, FrozenClassifier, freeze
from clsim.models.heads import Teen
from clsim.plugins import ClassScope, FitHead
from clsim.streams import Stream
from clsim.training.options import Precision
from clsim.utils.arguments import Fraction, NotNegative

STREAMS = ("fscil", "incremental")


def build(
    stream: Stream,
    *,
    backbone: FrozenBackbone | str = "tf_efficientnet_lite2",
    shift: Fraction = 0.1,
    sharpness: NotNegative = 16.0,
    scale: NotNegative = 16.0,
    precision: Precision = "fp32",
    device: str = "cpu",
) -> Strategy:
    """Compose TEEN.

    Args:
        stream: Stream of sessions.
        backbone: Frozen backbone: entry of the scenario's models, or name of a packaged model.
        shift: Share of similar base classes in the prototype of a new class; published: 0.1 on CIFAR-100, 0.5 on CUB.
        sharpness: Factor of the cosines between prototypes; the higher, the fewer base classes contribute.
        scale: Factor of the cosines in the logits; it changes the probabilities and not the prediction.
        precision: Floating-point format of the backbone's pass.
        device: Device of the model.

    """
    frozen = freeze(backbone)
    head = Teen(frozen.num_features, len(stream.class_names), shift=shift, sharpness=sharpness, scale=scale)
    return Strategy(
        model=FrozenClassifier(frozen, head),
        train_epochs=0,
        device=device,
        plugins=[ClassScope(training="seen", evaluation="seen"), FitHead(head)],
        precision=precision,
    )
