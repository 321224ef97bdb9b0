"""Orthogonal compatible alignment (OCA, arXiv 2408.08793): added dimensions for new information, beside the old space.

A new model has a few more dimensions than the old one. Its first ones are tied to the old space by a cross-entropy
over the old model's class means and by the cosine to the mean of the image's class. The added ones are free for what
the old model could not tell apart. During training an orthogonal layer rotates all dimensions before the classifier, so
that the classifier does not depend on the split. Stored features and queries are taken before that layer.

L = 5 L_CE(W (Q h + b)) + 10 L_CE(P z) + 5 (1 - cos(P_y, z)), z the first dimensions of h.
"""

from functools import partial

from clsim import Strategy
from clsim.losses import prototype_alignment, prototype_cross_entropy
from clsim.models import EmbeddingClassifier
from clsim.models.options import EmbeddingOptions
from clsim.plugins import ClassScope, ModelUpgrade, OldPrototypes, WarmupCosine
from clsim.streams import Stream
from clsim.training.options import UpgradeTraining

STREAMS = ("upgrade",)
REQUIRES = ("upgrade",)


def build(
    stream: Stream,
    *,
    network: EmbeddingOptions = EmbeddingOptions(),
    added: int = 32,
    classification_weight: float = 5.0,
    prototype_weight: float = 10.0,
    alignment_weight: float = 5.0,
    training: UpgradeTraining = UpgradeTraining(),
    device: str = "cpu",
) -> Strategy:
    """Compose orthogonal compatible alignment. The default weights are those of the authors' code.

    Args:
        stream: Stream of upgrades.
        network: Options of the network.
        added: Number of dimensions that every upgrade adds.
        classification_weight: Weight of the cross-entropy of the new model's classifier.
        prototype_weight: Weight of the cross-entropy over the old model's class means.
        alignment_weight: Weight of the cosine distance to the old mean of the image's class.
        training: Options of training.
        device: Device of the models.

    """

    def new_model(old: EmbeddingClassifier | None) -> EmbeddingClassifier:
        dimensions = None if old is None else old.dimensions + added
        return network.make(len(stream.class_names), dimensions=dimensions, turned=old is not None)

    upgrade = ModelUpgrade(new_model)
    cross_entropy = partial(prototype_cross_entropy, label_smoothing=training.label_smoothing)
    losses = [(prototype_weight, cross_entropy), (alignment_weight, prototype_alignment)]
    return training.compose(
        new_model(None),
        [
            upgrade,
            ClassScope(training="seen", evaluation="seen"),
            OldPrototypes(upgrade, losses, own_weight=classification_weight),
            WarmupCosine(
                max_lr=training.lr, min_lr=0.0, warmup=training.warmup, cycle=training.epochs, rises_at_once=True
            ),
        ],
        device=device,
    )
