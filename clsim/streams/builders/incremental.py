"""Builder of class-incremental streams: every session brings new classes with many images."""

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
    """Build a class-incremental stream.

    Args:
        dataset: Training and test images.
        base_classes: Number of classes in session 0.
        ways: Number of new classes in each later session.
        sessions: Number of sessions after the base session. ``None`` uses all classes.
        images_per_class: Number of training images of every class, the first ones of the data set. ``None`` takes
            all. 300 of CIFAR-100 are the CIFAR100R of arXiv 2405.02581.
        class_order: Order of the classes: ``natural`` (or ``None``), ``{"seed": n}`` to draw it, or a list of ids.

    Returns:
        Stream whose test images are all those of the data set.

    Raises:
        ArgumentError: An argument has a wrong type or value, the classes do not divide up, a class has too few
            training images, or a session has no test image.

    Example:
        >>> from clsim.data.datasets.shapes import shapes
        >>> stream = incremental(shapes(6, 2, 1), base_classes=2, ways=2)
        >>> stream.class_blocks
        ((0, 1), (2, 3), (4, 5))
        >>> [len(session.resident) for session in stream.train_stream], stream.tested_images
        ([4, 4, 4], [2, 4, 6])

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
