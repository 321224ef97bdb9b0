"""A validation split: training images in place of the test images, for choosing settings."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from clsim.data.core.images import DataSet
from clsim.utils.errors import UserError


def held_out(dataset: DataSet, share: float, seed: int, classes: Collection[int] | None = None) -> DataSet:
    """Return a data set whose test images are held out from its training images.

    The test images of ``dataset`` are not read.

    Args:
        dataset: Data set whose training images are split.
        share: Fraction held out of each class, rounded, at least one image.
        seed: Seed of the draw, used for nothing else. The draw for a class does not depend on ``classes``.
        classes: Classes to split; the other classes keep all their images. None splits all classes.

    Raises:
        UserError: A class has only one training image.
    """
    kept = kept_images(dataset, share, seed, classes)
    train = dataset.train
    return DataSet(dataset.name, train.subset(kept.nonzero().flatten()), train.subset((~kept).nonzero().flatten()))


def kept_images(dataset: DataSet, share: float, seed: int, classes: Collection[int] | None = None) -> Tensor:
    """Return whether each training image stays in the training set: bool ``[N]``; see :func:`held_out`."""
    labels, generator = dataset.train.labels.cpu(), torch.Generator().manual_seed(seed)
    kept = torch.ones(len(labels), dtype=torch.bool)
    for label in range(len(dataset.class_names)):
        images = (labels == label).nonzero().flatten()
        # Draw before skipping a class, so that no draw depends on `classes`.
        drawn = images[torch.randperm(len(images), generator=generator)]
        if (classes is not None and label not in classes) or not len(images):
            continue
        if len(images) < 2:
            what = f"class {label} of {dataset.name} has one training image, and none can be held out"
            raise UserError(what, where="validation.share")
        kept[drawn[: min(len(images) - 1, max(1, round(share * len(images))))]] = False
    return kept
