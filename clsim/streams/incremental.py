"""Class-incremental learning: every session brings new classes with all their images, or the first so many."""

from __future__ import annotations

import torch

from clsim.data import DataSet
from clsim.errors import UserError
from clsim.streams.order import ClassOrder, arriving_classes
from clsim.streams.session import ResidentView
from clsim.streams.stream import Stream


def class_incremental(
    dataset: DataSet,
    *,
    base_classes: int,
    ways: int,
    sessions: int | None = None,
    images_per_class: int | None = None,
    class_order: ClassOrder = None,
) -> Stream:
    """Builds a class-incremental stream.

    Args:
        dataset: train and test images.
        base_classes: classes of session 0.
        ways: new classes in each later session.
        sessions: sessions after the base session; without it as many as use up every class.
        images_per_class: the first so many training images of every class, in the order of the data set; without
            it all of them. 300 of CIFAR-100 are the CIFAR100R of arXiv 2405.02581.
        class_order: ``natural``, ``{"seed": n}`` for a drawn order, or the ids in order of arrival.

    Returns:
        The stream; its test images are all those of the data set.

    Raises:
        UserError: the classes do not divide up, or a class has too few images.

    """
    blocks = arriving_classes(dataset, base_classes, ways, sessions, class_order)
    if images_per_class is not None and images_per_class < 1:
        raise UserError("images_per_class must be at least 1")
    views = []
    for block in blocks:
        found = dataset.train.first_of_each(block, images_per_class)
        for label, positions in zip(block, found, strict=True):
            if len(positions) < (images_per_class or 1):
                raise UserError(
                    f"class {label} has {len(positions)} training images, {images_per_class or 1} are asked for"
                )
        views.append(ResidentView(dataset.train, torch.cat(found)))
    return Stream(dataset, blocks, views)
