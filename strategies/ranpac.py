"""RanPAC: ridge regression on random features of a frozen backbone, over all sessions (arXiv 2307.02251).

The ridge is chosen on the base session. A few-shot class is learned from features drawn around a calibrated mean and
covariance, in place of its few images (arXiv 2404.06622).
"""

from clsim import Strategy
from clsim.models import FrozenBackbone, FrozenClassifier, freeze
from clsim.models.heads import RanPAC
from clsim.plugins import ClassScope, FitHead
from clsim.streams import Stream
from clsim.training.options import Precision
from clsim.utils.arguments import Count, Fraction, NotNegative, Whole

STREAMS = ("fscil", "incremental")


def build(
    stream: Stream,
    *,
    backbone: FrozenBackbone | str = "tf_efficientnet_lite2",
    dimensions: Count = 10_000,
    few_shots: Whole = 20,
    own_weight: Fraction = 0.75,
    covariance_mix: Fraction = 0.5,
    sharpness: NotNegative = 16.0,
    draws: Count = 800,
    rank: Count = 64,
    precision: Precision = "fp32",
    device: str = "cpu",
) -> Strategy:
    """Compose RanPAC.

    Args:
        stream: Stream of sessions.
        backbone: Frozen backbone: entry of the scenario's models, or name of a packaged model.
        dimensions: Number of random features.
        few_shots: Most images of a class that is calibrated, after the base session; 0: never calibrate.
        own_weight: Weight of a class's own mean; published: 0.75 on CIFAR-100, 0.9 elsewhere.
        covariance_mix: Share of a class's own covariance; the rest comes from similar base classes.
        sharpness: Factor of the dot products between means, which are not scaled to length 1.
        draws: Features drawn for each calibrated class.
        rank: Principal directions kept of each base covariance; exact for classes of no more images than that.
        precision: Floating-point format of the backbone's pass.
        device: Device of the model.

    """
    frozen = freeze(backbone)
    head = RanPAC(
        frozen.num_features,
        len(stream.class_names),
        dimensions=dimensions,
        few_shots=few_shots,
        own_weight=own_weight,
        covariance_mix=covariance_mix,
        sharpness=sharpness,
        draws=draws,
        rank=rank,
    )
    return Strategy(
        model=FrozenClassifier(frozen, head),
        train_epochs=0,
        device=device,
        plugins=[ClassScope(training="seen", evaluation="seen"), FitHead(head)],
        precision=precision,
    )
