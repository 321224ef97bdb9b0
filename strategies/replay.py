"""Experience replay with a learnable classifier: the baseline "ER" of arXiv 2405.02581.

The whole network is trained in every session, on the new images and on twenty remembered ones of each earlier class.
Its classifier is learned as well, so that only the images determine where the features of a class lie. A replacement
model, trained elsewhere, has them in other places, and the features stored so far are no longer comparable. With
``distillation_weight`` features of remembered images are kept close to those of the previous model. This ties the
versions of one model together, not those of different models.
"""

from typing import Literal

from clsim import Strategy
from clsim.losses import cosine_distillation
from clsim.models import FrozenBackbone, LinearClassifier, freeze
from clsim.models.options import IMAGE_LAYOUT, BackboneOptions
from clsim.plugins import ClassScope, FeatureTeacher, ModelReplacement, Rehearsal, WarmupCosine
from clsim.streams import Stream
from clsim.training.options import RehearsalTraining

REQUIRES = ("replacement",)


def build(
    stream: Stream,
    *,
    frozen: FrozenBackbone | str | None = None,
    network: BackboneOptions = BackboneOptions(),
    head: Literal["learnable", "simplex"] = "learnable",
    training: RehearsalTraining = RehearsalTraining(),
    device: str = "cpu",
) -> Strategy:
    """Compose experience replay.

    Args:
        stream: Stream of sessions, with or without replacements.
        frozen: Name of a pre-trained model whose weights stay unchanged, as those of its replacements do: only the
            classifier is trained, and `backbone` is not used. Null: the whole network is trained.
        network: Options of the model in service until the first replacement.
        head: Classifier that replacement models were pre-trained with: learnable, or fixed on a simplex.
        training: Options of training.
        device: Device of the model.

    """
    model = LinearClassifier(network.make() if frozen is None else freeze(frozen), len(stream.class_names), bias=False)
    rehearsal = Rehearsal(training.memory)
    teacher = FeatureTeacher(cosine_distillation, weight=training.distillation_weight, old_classes_only=True)
    return training.compose(
        model.to(memory_format=IMAGE_LAYOUT),  # type: ignore[call-overload]
        [
            rehearsal,
            ModelReplacement(rehearsal, memory_format=IMAGE_LAYOUT),
            ClassScope(training="seen", evaluation="seen"),
            WarmupCosine(max_lr=training.lr, min_lr=training.last_lr, warmup=0, cycle=training.epochs),
            *([teacher] if training.distillation_weight else []),
        ],
        device=device,
    )
