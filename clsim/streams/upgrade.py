"""Upgrades: every session trains a new model, on more classes or more images than the one in service has seen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from clsim.data import DataSet
from clsim.errors import UserError
from clsim.streams.order import ClassOrder, arrival_order
from clsim.streams.replacement import Replacement
from clsim.streams.session import ResidentView
from clsim.streams.stream import Stream

if TYPE_CHECKING:
    from clsim.models.arrival import Arrival


def upgrade(
    dataset: DataSet,
    *,
    classes: Sequence[int],
    images_per_class: int | Sequence[int] | None = None,
    class_order: ClassOrder = None,
    load: Sequence[Arrival | None] = (),
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
        UserError: no session, classes or images that become fewer or that the data set does not have, or an upgrade
            that brings nothing.

    """
    images = [images_per_class] * len(classes) if images_per_class is None else _of_each(images_per_class, len(classes))
    _check(dataset, classes, images)
    if load and len(load) != len(classes):
        raise UserError(f"load: {len(load)} given for {len(classes)} sessions")
    order = arrival_order(len(dataset.class_names), class_order)
    views = []
    for count, each in zip(classes, images, strict=True):
        found = dataset.train.first_of_each(order[:count], each)
        for label, positions in zip(order, found, strict=False):
            if len(positions) < (each or 1):
                raise UserError(f"class {label} has {len(positions)} training images, {each or 1} are asked for")
        views.append(ResidentView(dataset.train, torch.cat(found)))
    starts = [0, *classes[:-1]]
    blocks = [order[start:count] for start, count in zip(starts, classes, strict=True)]
    loaded = [Replacement(model, session) for session, model in enumerate(load) if model is not None]
    return Stream(dataset, blocks, views, replacements=loaded, cumulative=True)


def _of_each(given: int | Sequence[int], sessions: int) -> list[int]:
    counts = [given] * sessions if isinstance(given, int) else list(given)
    if len(counts) != sessions:
        raise UserError(f"images_per_class: {len(counts)} given for {sessions} sessions")
    return counts


def _check(dataset: DataSet, classes: Sequence[int], images: Sequence[int | None]) -> None:
    if any(each is not None and each < 1 for each in images):
        raise UserError("images_per_class must be at least 1")
    if not classes or min(classes) < 1:
        raise UserError("an upgrade stream needs classes in every session")
    if max(classes) > len(dataset.class_names):
        raise UserError(f"{max(classes)} classes asked of {dataset.name}, which has {len(dataset.class_names)}")
    for session, (before, now) in enumerate(pairwise(zip(classes, images, strict=True)), start=1):
        if now[0] < before[0] or (now[1] or 0) < (before[1] or 0):
            raise UserError(f"session {session} has fewer classes or images than the one before")
        if now == before:
            raise UserError(f"session {session} brings neither classes nor images that the one before did not have")
