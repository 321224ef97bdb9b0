"""Upgrades: every session trains a new model, on more classes or more images than the one in service has seen."""

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
    """Builds an upgrade stream: session ``t`` holds the training images of the first ``classes[t]`` classes.

    Unlike sessions of class-incremental learning each one holds what the session before had as well; what it trains
    is to take the place of the model that session made. Two sessions are one upgrade, more are a chain of them.

    Args:
        dataset: train and test images.
        classes: of every session, never fewer than before; 50, 100 of CIFAR-100 in BCT, BT2 and OCA.
        images_per_class: the first so many training images of every class, one number for all sessions or one for
            each, never fewer than before; without it all of them.
        class_order: ``natural``, ``{"seed": n}`` for a drawn order, or the ids in order of arrival.
        load: for each session the model that is there already and not trained, or ``None``; without it all are trained.

    Returns:
        The stream; a session's test images are those of the classes that it is the first to hold.

    Raises:
        ArgumentError: no session, classes or images that become fewer or that the data set does not have, an upgrade
            that brings nothing, new classes without a test image, or something loaded that is no model.

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
    """What is loaded for each session, if anything is."""
    if not isinstance(load, Sequence) or isinstance(load, str):
        raise ArgumentError(f"stream.load: expected a list, got {describe(load)}")
    if load and len(load) != sessions:
        fix = "give one for each session, None for a model that is to be trained"
        raise ArgumentError(f"stream.load: {len(load)} given for {sessions} sessions", fix=fix)
    return load
