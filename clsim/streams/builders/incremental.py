"""Class-incremental learning: every session brings new classes with all their images, or the first so many."""

from __future__ import annotations

from clsim.data.core.images import DataSet
from clsim.streams.builders.checks import check_tested, described, images_of
from clsim.streams.builders.order import ClassOrder, arriving_classes
from clsim.streams.session import ResidentView
from clsim.streams.settings import IncrementalStream
from clsim.streams.stream import Stream


def incremental(
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
        ArgumentError: an argument is none, the classes do not divide up, a class has too few training images, or a
            session no test image.

    """
    given = described(
        IncrementalStream,
        "incremental",
        dataset,
        base_classes=base_classes,
        ways=ways,
        sessions=sessions,
        images_per_class=images_per_class,
        class_order=class_order,
    )
    each = given.images_per_class
    blocks = arriving_classes(len(dataset.class_names), given)
    views = [ResidentView(dataset.train, images_of(dataset.train, block, each or 1, each)) for block in blocks]
    return check_tested(Stream(dataset, blocks, views))
