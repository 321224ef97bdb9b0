"""Backward-compatible training (BCT, arXiv 2003.11942): a fixed classifier in the old space guides the new model.

A new model of the same width learns all classes with a new classifier. A second classifier, whose rows are fixed,
classifies the same features, and its loss is added: L = L_CE + lambda L_influence. The rows have one of two forms:

- prototypes: the old model's mean feature of every class, including the classes it learned; lambda is 10. This is the
  BCT of BT2's and OCA's authors, and of the figures that they publish under this name.
- classifier: the rows of the old model's classifier and, for classes that it never learned, its mean features, scaled
  to the mean length of those rows; lambda is 1. This is the BCT of its own paper.
"""

from functools import partial
from typing import Literal

from clsim import Strategy
from clsim.losses import prototype_cross_entropy
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
    form: Literal["prototypes", "classifier"] = "prototypes",
    influence_weight: float | None = None,
    training: UpgradeTraining = UpgradeTraining(),
    device: str = "cpu",
) -> Strategy:
    """Compose backward-compatible training.

    Args:
        stream: Stream of upgrades.
        network: Options of the network.
        form: Rows of the influence loss. prototypes: class means by the old model, unscaled, for all classes, as BT2's
            authors publish it; classifier: the old classifier, and scaled means for new classes, as in BCT's paper.
        influence_weight: Weight of the influence loss; null: 10 with prototypes, 1 with the classifier.
        training: Options of training.
        device: Device of the models.

    """

    def new_model(old: EmbeddingClassifier | None) -> EmbeddingClassifier:
        return network.make(len(stream.class_names), dimensions=None if old is None else old.dimensions)

    upgrade = ModelUpgrade(new_model)
    weight = {"prototypes": 10.0, "classifier": 1.0}[form] if influence_weight is None else influence_weight
    influence = partial(prototype_cross_entropy, label_smoothing=training.label_smoothing)
    return training.compose(
        new_model(None),
        [
            upgrade,
            ClassScope(training="seen", evaluation="seen"),
            OldPrototypes(upgrade, [(weight, influence)], old_classifier=form == "classifier"),
            WarmupCosine(
                max_lr=training.lr, min_lr=0.0, warmup=training.warmup, cycle=training.epochs, rises_at_once=True
            ),
        ],
        device=device,
    )
