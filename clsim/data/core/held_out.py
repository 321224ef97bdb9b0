"""Training images that take the place of the test images: to choose settings by them, and test once."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from clsim.data.core.images import DataSet
from clsim.utils.errors import UserError


def held_out(dataset: DataSet, share: float, seed: int, classes: Collection[int] | None = None) -> DataSet:
    """The data set with a share of every class's training images as its test images; those it had are not looked at.

    Args:
        dataset: of which the test images are left aside.
        share: of every class, rounded, at least one image.
        seed: of the draw, which no other draws from; the images of a class do not hang on which others are split.
        classes: of which images are held out; the others keep all of theirs. All if ``None``.

    Raises:
        UserError: a class has only one training image.

    """
    kept = kept_images(dataset, share, seed, classes)
    train = dataset.train
    return DataSet(dataset.name, train.subset(kept.nonzero().flatten()), train.subset((~kept).nonzero().flatten()))


def kept_images(dataset: DataSet, share: float, seed: int, classes: Collection[int] | None = None) -> Tensor:
    """For every training image whether it stays one: bool ``[N]``; see :func:`held_out`."""
    labels, generator = dataset.train.labels.cpu(), torch.Generator().manual_seed(seed)
    kept = torch.ones(len(labels), dtype=torch.bool)
    for label in range(len(dataset.class_names)):
        images = (labels == label).nonzero().flatten()
        drawn = images[torch.randperm(len(images), generator=generator)]
        if (classes is not None and label not in classes) or not len(images):
            continue
        if len(images) < 2:
            what = f"class {label} of {dataset.name} has one training image: none can be held out"
            raise UserError(what, where="validation.share")
        kept[drawn[: min(len(images) - 1, max(1, round(share * len(images))))]] = False
    return kept
