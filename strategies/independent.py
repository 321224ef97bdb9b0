"""Independent models: each upgrade is trained without regard to the index of the previous model.

The reference for every upgrade. On its own gallery the new model shows the accuracy without a compatibility
constraint. On the gallery of the old model it finds next to nothing.
"""

from clsim import Strategy
from clsim.models import EmbeddingClassifier
from clsim.models.options import EmbeddingOptions
from clsim.plugins import ClassScope, ModelUpgrade, WarmupCosine
from clsim.streams import Stream
from clsim.training.options import UpgradeTraining

STREAMS = ("upgrade",)
REQUIRES = ("upgrade",)


def build(
    stream: Stream,
    *,
    network: EmbeddingOptions = EmbeddingOptions(),
    training: UpgradeTraining = UpgradeTraining(),
    device: str = "cpu",
) -> Strategy:
    """Compose the training of independent models.

    Args:
        stream: Stream of upgrades.
        network: Options of the network.
        training: Options of training.
        device: Device of the models.

    """

    def new_model(old: EmbeddingClassifier | None) -> EmbeddingClassifier:
        return network.make(len(stream.class_names))

    return training.compose(
        new_model(None),
        [
            ModelUpgrade(new_model),
            ClassScope(training="seen", evaluation="seen"),
            WarmupCosine(
                max_lr=training.lr, min_lr=0.0, warmup=training.warmup, cycle=training.epochs, rises_at_once=True
            ),
        ],
        device=device,
    )
