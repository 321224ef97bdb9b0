"""Procrustes: a new model is trained independently, then its features are rotated towards those of the old one.

The rotation is computed in closed form from both models' features of the training images. It needs no further training
and preserves the new model's accuracy on its own gallery, unless the new features are longer. A rotation aligns two
independently trained models only in part: search in the old gallery stays less accurate than after a re-index.
"""

from clsim import Strategy
from clsim.models import EmbeddingClassifier
from clsim.models.options import EmbeddingOptions
from clsim.plugins import ClassScope, ModelUpgrade, Procrustes, WarmupCosine
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
    """Compose independent training and the alignment that follows it.

    Args:
        stream: Stream of upgrades.
        network: Options of the network.
        training: Options of training.
        device: Device of the models.

    """

    def new_model(old: EmbeddingClassifier | None) -> EmbeddingClassifier:
        return network.make(len(stream.class_names))

    upgrade = ModelUpgrade(new_model)
    return training.compose(
        new_model(None),
        [
            Procrustes(upgrade),
            upgrade,
            ClassScope(training="seen", evaluation="seen"),
            WarmupCosine(
                max_lr=training.lr, min_lr=0.0, warmup=training.warmup, cycle=training.epochs, rises_at_once=True
            ),
        ],
        device=device,
    )
