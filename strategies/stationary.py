"""Stationary features: every class, including future ones, has a fixed place in feature space from the start.

The classifier is a d-simplex with more vertices than classes (arXiv 2405.02581). Its vertices never move, so training
pulls the features of a class to the same place in every session. Features stored in one session can be compared with
those of any other, even of a model that was trained elsewhere on the same simplex. Classes of the stream are assigned
the last vertices, classes of models from elsewhere the first. Cross-entropy is taken over all vertices throughout,
including those of future classes. The defense against forgetting depends on the stream.

Sessions with all their images, as published: the whole network is trained, and each batch is half new and half
remembered. The higher-order compatibility loss keeps the features close to those of the model at the start of the
session, L = w L_CE + (1 - w) L_HOC. After a replacement, that model is the replacement model. Session 0 has this loss
too, as in the authors' code, even if it starts from random weights (``first_session_teacher``).

Few-shot sessions, as in NC-FSCIL: the base session trains a backbone from scratch and then freezes it. Later sessions
train only the projection, on their few images and on features sampled around the stored mean of every class seen so
far. Five images give a poor estimate of a mean: a new class's is first shifted towards similar base classes.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from annotated_types import Ge, MinLen
from torch.nn import CrossEntropyLoss

from clsim import Strategy
from clsim.data.augment import Compose, HorizontalFlip, RandomCrop
from clsim.losses import cosine_distillation, higher_order_compatibility
from clsim.models import FrozenBackbone, StationaryClassifier, freeze
from clsim.models.options import IMAGE_LAYOUT, BackboneOptions
from clsim.plugins import (
    BaseSession,
    ClassScope,
    FeatureReplay,
    FeatureTeacher,
    FreezeAfterBase,
    ModelReplacement,
    OneCycle,
    ProgressiveResize,
    Rehearsal,
    WarmupCosine,
)
from clsim.streams import Stream
from clsim.training.options import RehearsalTraining
from clsim.training.weight_decay import decayed_sgd
from clsim.utils.arguments import Count, Fraction, NotNegative, Whole
from clsim.utils.errors import UserError

REQUIRES = ("replacement",)


@dataclass(frozen=True)
class Compatibility:
    """Loss of sessions with all their images.

    Attributes:
        cross_entropy_weight: Weight w of the cross-entropy; that of the compatibility loss is 1 - w.
        mu: Inverse temperature of the similarities in the compatibility loss.
        same_class: Whether images of one class count in its denominator, as published, or are excluded.
        first_session_teacher: Teacher of session 0 if no model is loaded before it: its random start, as published, or
            none.

    """

    cross_entropy_weight: float = 0.1
    mu: float = 10.0
    same_class: Literal["counted", "excluded"] = "counted"
    first_session_teacher: Literal["start", "none"] = "start"


@dataclass(frozen=True)
class FewShotTraining:
    """Training on a few-shot stream.

    Attributes:
        base_epochs: Number of epochs of the base session.
        base_batch_size: Number of images in a batch of the base session.
        base_lr: Highest learning rate of the base session's one-cycle schedule.
        sizes: Sides in pixels of the training images, one for each of several equal parts of the base session.
        label_smoothing: Label smoothing of the cross-entropy of images.
        few_shot_epochs: Number of epochs of a few-shot session.
        few_shot_batch_size: Number of images in a batch of a few-shot session.
        few_shot_lr: Highest learning rate of a few-shot session's one-cycle schedule.
        replay_weight: Weight w of the loss on sampled features in a few-shot session; that on images has 1 - w.
        replay_per_class: Number of features sampled for each class in every step.
        own_share: Weight of a new class's images in its mean; the rest comes from similar base classes.
        sharpness: Inverse temperature of the softmax over similarities to base classes; the higher, the fewer count.

    """

    base_epochs: Whole = 18
    base_batch_size: Count = 128
    base_lr: NotNegative = 0.1
    sizes: Annotated[tuple[Count, ...], MinLen(1)] = (20, 24, 28, 32, 32)
    label_smoothing: Fraction = 0.1
    few_shot_epochs: Whole = 60
    few_shot_batch_size: Count = 25
    few_shot_lr: NotNegative = 0.5
    replay_weight: Fraction = 0.9
    replay_per_class: Count = 8
    own_share: Fraction = 0.6
    sharpness: float = 16.0


def build(
    stream: Stream,
    *,
    frozen: FrozenBackbone | str | None = None,
    network: BackboneOptions = BackboneOptions(backbone="resnet14x4"),
    vertices: Annotated[int, Ge(2)] = 1024,
    head: Literal["simplex", "learnable"] = "simplex",
    loss: Compatibility = Compatibility(),
    training: RehearsalTraining = RehearsalTraining(),
    few_shot: FewShotTraining = FewShotTraining(),
    device: str = "cpu",
) -> Strategy:
    """Compose stationary learning on a d-simplex.

    Args:
        stream: Stream of sessions, few-shot or with all images.
        frozen: Name of a pre-trained model whose weights stay unchanged, as those of its replacements do: only the
            projection into the simplex is trained, and `backbone` is not used. Null: the whole network is trained.
        network: Options of the model in service until the first replacement.
        vertices: Number of vertices of the simplex; at least the number of all classes that will be learned, in the
            stream or elsewhere.
        head: Classifier that replacement models were pre-trained with: fixed on a simplex, or learnable.
        loss: Options of the compatibility loss.
        training: Options of training; a few-shot stream takes optimizer, crop and precision from them.
        few_shot: Options of a few-shot stream.
        device: Device of the model.

    Raises:
        UserError: There are more classes than vertices, or the stream is few-shot and the backbone frozen.

    """
    if vertices < len(stream.class_names):
        raise UserError(
            f"a simplex of {vertices} vertices has no room for {len(stream.class_names)} classes",
            fix="set `vertices` to the number of classes that will ever be learned, or more",
        )
    if frozen is not None and stream.few_shot:
        raise UserError("on a few-shot stream the base session trains the backbone", fix="leave `frozen` out")
    backbone = network.make() if frozen is None else freeze(frozen)
    model = StationaryClassifier(backbone, vertices).to(memory_format=IMAGE_LAYOUT)
    if stream.few_shot:
        return _on_few_shots(model, training, few_shot, device)
    rehearsal = Rehearsal(training.memory)
    compatibility = FeatureTeacher(
        partial(higher_order_compatibility, mu=loss.mu, same_class=loss.same_class),
        weight=1 - loss.cross_entropy_weight,
        own_weight=loss.cross_entropy_weight,
        from_start=loss.first_session_teacher == "start",
    )
    distillation = FeatureTeacher(cosine_distillation, weight=training.distillation_weight, old_classes_only=True)
    return training.compose(
        model,
        [
            rehearsal,
            ModelReplacement(rehearsal, memory_format=IMAGE_LAYOUT),
            ClassScope(training="all", evaluation="seen"),
            WarmupCosine(max_lr=training.lr, min_lr=training.last_lr, warmup=0, cycle=training.epochs),
            *([compatibility] if loss.cross_entropy_weight < 1 else []),
            *([distillation] if training.distillation_weight else []),
        ],
        device=device,
    )


def _on_few_shots(
    model: StationaryClassifier, training: RehearsalTraining, few_shot: FewShotTraining, device: str
) -> Strategy:
    """Compose training on a few-shot stream."""
    return Strategy(
        model=model,
        optimizer=partial(
            decayed_sgd,
            lr=few_shot.base_lr,
            momentum=training.momentum,
            nesterov=True,
            weight_decay=training.weight_decay,
            weight_decay_on=training.weight_decay_on,
        ),
        criterion=CrossEntropyLoss(label_smoothing=few_shot.label_smoothing),
        train_mb_size=few_shot.few_shot_batch_size,
        train_epochs=few_shot.few_shot_epochs,
        device=device,
        plugins=[
            BaseSession(epochs=few_shot.base_epochs, train_mb_size=few_shot.base_batch_size),
            ClassScope(training="all", evaluation="seen"),
            OneCycle(max_lr=few_shot.base_lr, later_lr=few_shot.few_shot_lr),
            ProgressiveResize(few_shot.sizes),
            FreezeAfterBase(model.backbone),
            FeatureReplay(
                model,
                weight=few_shot.replay_weight,
                per_class=few_shot.replay_per_class,
                own_weight=few_shot.own_share,
                sharpness=few_shot.sharpness,
            ),
        ],
        augment=Compose(RandomCrop(training.crop_padding, mode="reflect"), HorizontalFlip()),
        precision=training.precision,
        compile=training.compile,
    )
