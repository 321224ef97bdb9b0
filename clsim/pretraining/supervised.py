"""Supervised pre-training of a backbone with a fixed simplex or a learnable classifier."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.config.models.classifier import ClassifierRecipe
from clsim.data import DataSet, load_dataset
from clsim.data.augment import Compose, HorizontalFlip, RandomCrop
from clsim.data.core.images import Images
from clsim.data.core.transfer import moved
from clsim.models.backbones import make_backbone
from clsim.models.cpu_parallel import CpuDataParallel
from clsim.models.simplex import SimplexClassifier
from clsim.pretraining.contrastive import Progress
from clsim.pretraining.partial import Partial
from clsim.training.schedules import one_cycle
from clsim.utils.device import autocast
from clsim.utils.errors import UserError
from clsim.utils.precision import usable

STREAM_KINDS = 100
"""Number of classes of the synthetic streams, which pre-training does not use."""


class Pretrained(NamedTuple):
    """Trained backbone.

    Attributes:
        backbone: Backbone without a classifier.
        top: Projection into the simplex ``(K - 1, D)``, or classifier ``(N, D)``.
        accuracy: Accuracy on the test images of its classes.

    """

    backbone: nn.Module
    top: Tensor
    accuracy: float


def recipe_images(recipe: ClassifierRecipe) -> DataSet:
    """Return the images of the recipe's classes.

    Raises:
        DataMissing: The data set is not here.

    """
    if recipe.dataset == "shapes":
        from clsim.data.datasets.shapes import shapes

        return shapes(recipe.classes, recipe.images_per_class or 100, after=STREAM_KINDS, seed=1)
    whole = load_dataset(recipe.dataset)
    return DataSet(
        whole.name,
        whole.train.subset(torch.cat(whole.train.first_of_each(range(recipe.classes), recipe.images_per_class))),
        whole.test.subset(torch.cat(whole.test.first_of_each(range(recipe.classes)))),
    )


def train(
    recipe: ClassifierRecipe,
    data: DataSet,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
    unfinished: Partial | None = None,
) -> Pretrained:
    """Train the model of a recipe. The global random generators do not change.

    Cross-entropy over the recipe's classes, SGD with Nesterov momentum and one cycle of the learning rate. Vertices
    without a class are left out of the loss. To stay away from all of them, features would grow a large common part
    (cosines of 0.93 between classes instead of 0.23), which would dominate losses and searches by angle.

    Args:
        recipe: Recipe with a head.
        data: Images of its classes.
        device: Device of the training.
        progress: Callback, see :data:`~clsim.pretraining.contrastive.Progress`; ``None`` for none.
        unfinished: Checkpoint to resume from and save to; ``None`` for none.

    Raises:
        UserError: The images are larger than all default sizes of the recipe.

    """
    side = data.train.pixels.shape[-1]
    if "sizes" not in recipe.model_fields_set and max(recipe.sizes) < side:
        raise UserError(
            f"the images of {data.name} have {side} pixels, but the recipe trains on at most {max(recipe.sizes)}",
            where="sizes",
            fix=f"set `sizes`; end with {side} to use all pixels",
        )
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        backbone = make_backbone(recipe.backbone, dimensions=recipe.dimensions)
        head = _head(recipe, backbone.num_features)
    model = nn.Sequential(CpuDataParallel(backbone, recipe.cpu_workers), head)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    settings: dict[str, Any] = {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay, "nesterov": True}
    optimizer = torch.optim.SGD(model.parameters(), lr=recipe.lr, **settings)
    train_images = moved(data.train, torch.device(device))
    augment = Compose(RandomCrop(recipe.crop_padding), HorizontalFlip())
    per_epoch = max(1, len(train_images) // recipe.batch_size)
    steps, started, reported = recipe.epochs * per_epoch, time.monotonic(), 0.0
    done = unfinished.restore(model, optimizer) if unfinished else 0
    precision = usable(recipe.precision, device)
    for epoch in range(done, recipe.epochs):
        model.train()
        size = recipe.sizes[epoch * len(recipe.sizes) // recipe.epochs]
        generator = torch.Generator().manual_seed(1_000_003 * (recipe.seed + 1) + epoch)
        order = torch.randperm(len(train_images), generator=generator)[: per_epoch * recipe.batch_size]
        for index, rows in enumerate(order.to(device).split(recipe.batch_size)):
            step = epoch * per_epoch + index
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr * one_cycle(step, steps=steps, warmup=0.15)
            images = augment(train_images.pixels[rows], generator).float() / 255
            if size < images.shape[-1]:
                images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
            with autocast(device, precision):
                logits = model(images)
            loss = F.cross_entropy(logits[:, : recipe.classes].float(), train_images.labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            elapsed = time.monotonic() - started
            if progress is not None and (elapsed - reported > 1 or step + 1 == steps):
                reported = elapsed
                behind = (epoch - done) * per_epoch + index + 1
                progress(step + 1, steps, float(loss.detach()), behind * recipe.batch_size / elapsed)
        if unfinished:
            unfinished.save(epoch + 1, model, optimizer)
    top: nn.Linear = head[0] if isinstance(head, nn.Sequential) else head  # type: ignore[assignment]
    return Pretrained(backbone, top.weight.detach(), _accuracy(model, data.test.to(device), recipe, device))


def _head(recipe: ClassifierRecipe, width: int) -> nn.Sequential | nn.Linear:
    """Return the layers from features to logits: a projection and fixed vertices, or a matrix without bias."""
    linear = partial(nn.Linear, width, bias=False)
    if recipe.head == "learnable":
        return linear(recipe.classes)
    simplex = SimplexClassifier(recipe.vertices, from_last=False)
    return nn.Sequential(linear(recipe.vertices - 1), simplex)


def _accuracy(model: nn.Module, test: Images, recipe: ClassifierRecipe, device: str) -> float:
    """Return the accuracy on test images over the recipe's classes."""
    model.eval()
    right = 0
    with torch.no_grad(), autocast(device, usable(recipe.precision, device)):
        for rows in torch.arange(len(test), device=device).split(500):
            logits = model(test.pixels[rows].float() / 255)[:, : recipe.classes]
            right += int((logits.argmax(1) == test.labels[rows]).sum())
    return right / len(test)
