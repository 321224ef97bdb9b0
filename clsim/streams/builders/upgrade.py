"""Builder of upgrade streams: every session trains a new model on more classes or images than the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clsim.data.core.images import DataSet
from clsim.streams.builders.checks import check_tested, described, images_of
from clsim.streams.builders.order import ClassOrder, arrival_order
from clsim.streams.replacements import Replacement
from clsim.streams.session import ResidentView
from clsim.streams.settings import UpgradeStream
from clsim.streams.stream import Stream
from clsim.utils.errors import ArgumentError
from clsim.utils.text import describe

if TYPE_CHECKING:
    from clsim.models.replacement_model import ReplacementModel


def upgrade(
    dataset: DataSet,
    *,
    classes: Sequence[int],
    images_per_class: int | Sequence[int] | None = None,
    class_order: ClassOrder = None,
    load: Sequence[ReplacementModel | None] = (),
) -> Stream:
    """Build an upgrade stream: session ``t`` holds the training images of the first ``classes[t]`` classes.

    Unlike a session of class-incremental learning, each one also holds the images of the session before. The model
    trained in it replaces the model of that session. Two sessions are one upgrade; more are a chain of upgrades.

    Args:
        dataset: Training and test images.
        classes: Number of classes of every session, never fewer than before; 50, 100 of CIFAR-100 in BCT, BT2, OCA.
        images_per_class: Number of training images of every class, the first ones of the data set: one number for
            all sessions, or one for each, never fewer than before. ``None`` takes all.
        class_order: Order of the classes: ``natural`` (or ``None``), ``{"seed": n}`` to draw it, or a list of ids.
        load: Model of each session that is loaded instead of trained, ``None`` for a session that trains. Empty
            trains all.

    Returns:
        Stream whose test images in a session are those of the classes new in it.

    Raises:
        ArgumentError: There is no session, the classes or images become fewer or exceed those of the data set, an
            upgrade adds nothing, new classes have no test image, or a loaded object is no model.

    Example:
        >>> from clsim.data.datasets.shapes import shapes
        >>> stream = upgrade(shapes(4, 2, 1), classes=[2, 4])
        >>> [len(session.resident) for session in stream.train_stream], stream.class_blocks
        ([4, 8], ((0, 1), (2, 3)))

    """
    given = described(
        UpgradeStream, "upgrade", dataset, classes=classes, images_per_class=images_per_class, class_order=class_order
    )
    counts, each = given.classes, given.images_per_class
    models = _models(load, len(counts))
    order = arrival_order(len(dataset.class_names), given.class_order)
    views = []
    for count, images in zip(counts, each if isinstance(each, list) else [each] * len(counts), strict=True):
        views.append(ResidentView(dataset.train, images_of(dataset.train, order[:count], images or 1, images)))
    starts = [0, *counts[:-1]]
    blocks = [order[start:count] for start, count in zip(starts, counts, strict=True)]
    loaded = [Replacement(model, session) for session, model in enumerate(models) if model is not None]
    return check_tested(Stream(dataset, blocks, views, replacements=loaded, cumulative=True))


def _models(load: Sequence[ReplacementModel | None], sessions: int) -> Sequence[ReplacementModel | None]:
    """Return the models to load, checked to be one for each session or none at all."""
    if not isinstance(load, Sequence) or isinstance(load, str):
        raise ArgumentError(f"stream.load: expected a list, got {describe(load)}")
    if load and len(load) != sessions:
        fix = "pass one model for each session, None where one is trained"
        raise ArgumentError(f"stream.load: {len(load)} models for {sessions} sessions", fix=fix)
    return load
