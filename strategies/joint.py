"""Joint: a linear classifier fitted to the images of all sessions so far, the upper reference on a frozen backbone.

It is no method of continual learning: it stores the indices of all images and reads all of them in every session. The
loss is plain cross-entropy or balanced softmax, which shifts logits by the log-frequency of their class in training
(arXiv 2503.10003). It is convex, and each session minimizes it, so the result does not depend on the order of sessions.
"""

from clsim import Strategy
from clsim.models import FrozenBackbone, FrozenClassifier, freeze
from clsim.models.heads import JointLinear
from clsim.plugins import ClassScope, FitHead
from clsim.streams import Stream
from clsim.training.options import Precision
from clsim.utils.arguments import Count, Positive

STREAMS = ("fscil", "incremental")


def build(
    stream: Stream,
    *,
    backbone: FrozenBackbone | str = "tf_efficientnet_lite2",
    balanced: bool = False,
    decay: Positive = 1e-2,
    iterations: Count = 200,
    precision: Precision = "fp32",
    device: str = "cpu",
) -> Strategy:
    """Compose the joint reference.

    Args:
        stream: Stream of sessions.
        backbone: Frozen backbone: entry of the scenario's models, or name of a packaged model.
        balanced: Whether the loss is balanced softmax, for base classes with more images than later ones.
        decay: Strength of the penalty on the squared weights.
        iterations: Most iterations of L-BFGS in a session.
        precision: Floating-point format of the backbone's pass.
        device: Device of the model.

    """
    frozen = freeze(backbone)
    head = JointLinear(
        frozen.num_features, len(stream.class_names), balanced=balanced, decay=decay, iterations=iterations
    )
    return Strategy(
        model=FrozenClassifier(frozen, head),
        train_epochs=0,
        device=device,
        plugins=[ClassScope(training="seen", evaluation="seen"), FitHead(head, cumulative=True)],
        precision=precision,
    )
