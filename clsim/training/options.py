"""Option groups of strategies that describe training; each field is a setting of the strategy that uses the group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from avalanche.core import BasePlugin
from torch import nn
from torch.optim import SGD, Adam

from clsim.data.augment import Compose, HorizontalFlip, RandomCrop
from clsim.losses import smoothed_cross_entropy
from clsim.training.forward import Compile
from clsim.training.strategy import Strategy
from clsim.training.weight_decay import Decayed, decayed_sgd
from clsim.utils.arguments import Count, Fraction, NotNegative, Whole
from clsim.utils.device import Precision

Plugins = Sequence[BasePlugin[Strategy]]


@dataclass(frozen=True)
class UpgradeTraining:
    """Training of a model from random weights in every session, with Adam and label smoothing.

    Attributes:
        epochs: Number of epochs of a session.
        warmup: Number of warm-up epochs, included in epochs.
        batch_size: Number of images in a batch.
        lr: Highest learning rate of Adam, which falls to 0 along a cosine.
        weight_decay: Weight decay of Adam.
        label_smoothing: Label smoothing of the cross-entropy.
        crop_padding: Padding in pixels of the random crop.
        precision: Floating-point format of the forward pass.
        compile: Compilation of the forward pass. auto: long sessions on a GPU are compiled, short ones replayed as a
            CUDA graph if the model allows it.

    """

    epochs: Whole = 100
    warmup: Whole = 5
    batch_size: Count = 64
    lr: NotNegative = 0.001
    weight_decay: NotNegative = 3.0517578125e-5
    label_smoothing: Fraction = 0.1
    crop_padding: Whole = 0
    precision: Precision = "fp32"
    compile: Compile = "auto"

    def compose(self, model: nn.Module, plugins: Plugins, *, device: str) -> Strategy:
        """Return a strategy that trains a model by these options."""
        return Strategy(
            model=model,
            optimizer=partial(Adam, lr=self.lr, weight_decay=self.weight_decay),
            criterion=partial(smoothed_cross_entropy, label_smoothing=self.label_smoothing),
            train_mb_size=self.batch_size,
            train_epochs=self.epochs,
            device=device,
            plugins=plugins,
            augment=Compose(RandomCrop(self.crop_padding), HorizontalFlip()),
            precision=self.precision,
            compile=self.compile,
        )


@dataclass(frozen=True)
class SessionTraining:
    """Training of one network from session to session with SGD, with separate settings for the base session.

    Attributes:
        epochs: Number of epochs of a later session.
        base_epochs: Number of epochs of the base session.
        batch_size: Number of images in a batch of a later session.
        base_batch_size: Number of images in a batch of the base session.
        lr: Learning rate, constant.
        momentum: Momentum of SGD.
        weight_decay: Weight decay of SGD.
        precision: Floating-point format of the forward pass.
        compile: Compilation of the forward pass. auto: long sessions on a GPU are compiled, short ones replayed as a
            CUDA graph if the model allows it.

    """

    epochs: Whole = 5
    base_epochs: Whole = 5
    batch_size: Count = 25
    base_batch_size: Count = 128
    lr: NotNegative = 0.01
    momentum: Fraction = 0.9
    weight_decay: NotNegative = 5e-4
    precision: Precision = "fp32"
    compile: Compile = "auto"

    def compose(self, model: nn.Module, plugins: Plugins, *, device: str) -> Strategy:
        """Return a strategy that trains a model by these options."""
        return Strategy(
            model=model,
            optimizer=partial(SGD, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay),
            train_mb_size=self.batch_size,
            train_epochs=self.epochs,
            device=device,
            plugins=plugins,
            precision=self.precision,
            compile=self.compile,
        )


@dataclass(frozen=True)
class RehearsalTraining:
    """Training of one network from session to session on new and remembered images, with SGD.

    Attributes:
        memory: Number of remembered images of each class.
        distillation_weight: Weight of the cosine distance between features of remembered images and those of the
            previous model (CL2R: 5); 0: none.
        epochs: Number of epochs of a session.
        batch_size: Number of images in a batch; half of them are remembered ones, once there are any.
        lr: Learning rate of the first epoch of a session.
        last_lr: Learning rate at the end of a session, to which a cosine falls.
        momentum: Momentum of SGD.
        weight_decay: Weight decay of SGD.
        weight_decay_on: Parameters that decay: all, as in the authors' notebooks, or matrices, without gains and
            biases, as in their package.
        crop_padding: Padding in pixels of the random crop.
        precision: Floating-point format of the forward pass.
        compile: Compilation of the forward pass. auto: long sessions on a GPU are compiled, short ones replayed as a
            CUDA graph if the model allows it.

    """

    memory: Whole = 20
    distillation_weight: float = 0.0
    epochs: Whole = 70
    batch_size: Count = 128
    lr: NotNegative = 0.001
    last_lr: NotNegative = 1e-5
    momentum: Fraction = 0.9
    weight_decay: NotNegative = 5e-4
    weight_decay_on: Decayed = "all"
    crop_padding: Whole = 4
    precision: Precision = "fp32"
    compile: Compile = "auto"

    def compose(self, model: nn.Module, plugins: Plugins, *, device: str) -> Strategy:
        """Return a strategy that trains a model by these options."""
        return Strategy(
            model=model,
            optimizer=partial(
                decayed_sgd,
                lr=self.lr,
                momentum=self.momentum,
                weight_decay=self.weight_decay,
                weight_decay_on=self.weight_decay_on,
            ),
            train_mb_size=self.batch_size,
            train_epochs=self.epochs,
            device=device,
            plugins=plugins,
            augment=Compose(RandomCrop(self.crop_padding), HorizontalFlip()),
            precision=self.precision,
            compile=self.compile,
        )
