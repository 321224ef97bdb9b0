"""FeCAM: Mahalanobis distance with a shrunk, correlation-normalized covariance for each class (arXiv 2309.14062).

A few-shot class borrows mean and covariance from the base classes that it resembles (arXiv 2404.06622). The backbone is
frozen. A covariance is kept as its leading principal directions.
"""

from clsim import Strategy
from clsim.models import FrozenBackbone, FrozenClassifier, freeze
from clsim.models.heads import FeCAM
from clsim.plugins import ClassScope, FitHead
from clsim.streams import Stream
from clsim.training.options import Precision
from clsim.utils.arguments import Count, Fraction, NotNegative, Positive

STREAMS = ("fscil", "incremental")


def build(
    stream: Stream,
    *,
    backbone: FrozenBackbone | str = "tf_efficientnet_lite2",
    rank: Count = 64,
    shrinkage: Positive = 1.0,
    power: Fraction = 1.0,
    calibrate: bool = True,
    shift: Fraction = 0.25,
    sharpness: NotNegative = 16.0,
    precision: Precision = "fp32",
    device: str = "cpu",
) -> Strategy:
    """Compose FeCAM.

    Args:
        stream: Stream of sessions.
        backbone: Frozen backbone: entry of the scenario's models, or name of a packaged model.
        rank: Principal directions kept of each covariance; exact for classes of no more images than that.
        shrinkage: Multiple of a class's mean variance that is added to its variances.
        power: Power of Tukey's transformation, for features that are not negative; 1: none.
        calibrate: Whether classes after the base session borrow from similar base classes.
        shift: Share of similar base classes in the mean of a new class.
        sharpness: Factor of the cosines between means; the higher, the fewer base classes contribute.
        precision: Floating-point format of the backbone's pass.
        device: Device of the model.

    """
    frozen = freeze(backbone)
    head = FeCAM(
        frozen.num_features,
        len(stream.class_names),
        rank=rank,
        shrinkage=shrinkage,
        power=power,
        calibrate=calibrate,
        shift=shift,
        sharpness=sharpness,
    )
    return Strategy(
        model=FrozenClassifier(frozen, head),
        train_epochs=0,
        device=device,
        plugins=[ClassScope(training="seen", evaluation="seen"), FitHead(head)],
        precision=precision,
    )
