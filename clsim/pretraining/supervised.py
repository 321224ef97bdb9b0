"""Supervised pre-training of a backbone, with a simplex that never moves or a classifier that is learnt."""

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
"""Kinds of shapes that are classes of the embedded streams; what is pre-trained knows none of them."""


class Pretrained(NamedTuple):
    """A trained backbone, the matrix on top of it, and how well they know the test images of their classes.

    ``top`` is the projection into the simplex, ``(K - 1, D)``, or the learnt classifier, ``(N, D)``.
    """

    backbone: nn.Module
    top: Tensor
    accuracy: float


def recipe_images(recipe: ClassifierRecipe) -> DataSet:
    """The images of the recipe's classes.

    Raises:
        DataMissing: the data set is not here.

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
    """Makes the model of a recipe; the global random generators are left as they were.

    Cross-entropy over the recipe's classes, SGD with Nesterov momentum and one cycle of the learning rate. Vertices
    of no class take no part: to keep away from all of those, features would grow one large part in common, the same
    for every image (cosines of 0.93 between classes instead of 0.23), and losses and searches that go by angles would
    see little else.

    Raises:
        UserError: the images are larger than any of the recipe's sizes, which nobody chose.

    """
    side = data.train.pixels.shape[-1]
    if "sizes" not in recipe.model_fields_set and max(recipe.sizes) < side:
        raise UserError(
            f"the images of {data.name} have {side} pixels, the model would never see more than {max(recipe.sizes)}",
            where="sizes",
            fix=f"write `sizes`, the last of them {side}, or a smaller one on purpose",
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
    """Features to logits: by a projection and vertices that stand still, or by a learnt matrix without bias."""
    linear = partial(nn.Linear, width, bias=False)
    if recipe.head == "learnable":
        return linear(recipe.classes)
    simplex = SimplexClassifier(recipe.vertices, from_last=False)
    return nn.Sequential(linear(recipe.vertices - 1), simplex)


def _accuracy(model: nn.Module, test: Images, recipe: ClassifierRecipe, device: str) -> float:
    """Share of test images that are sorted right among the recipe's classes."""
    model.eval()
    right = 0
    with torch.no_grad(), autocast(device, usable(recipe.precision, device)):
        for rows in torch.arange(len(test), device=device).split(500):
            logits = model(test.pixels[rows].float() / 255)[:, : recipe.classes]
            right += int((logits.argmax(1) == test.labels[rows]).sum())
    return right / len(test)
