"""Builder of few-shot class-incremental streams: a large base session, then N new classes of K images each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from clsim.data.core.images import DataSet
from clsim.data.datasets.splits import draw_sessions, standard_sessions
from clsim.streams.builders.checks import check_tested, described
from clsim.streams.builders.order import ClassOrder, arriving_classes
from clsim.streams.session import ResidentView
from clsim.streams.settings import DRAWN, DrawnSplits, FscilStream
from clsim.streams.stream import Stream
from clsim.utils.errors import ArgumentError, UserError


def fscil(
    dataset: DataSet,
    *,
    base_classes: int,
    ways: int,
    shots: int,
    sessions: int | None = None,
    splits: str | Mapping[str, int] = "standard",
    class_order: ClassOrder = None,
    tested: bool = True,
) -> Stream:
    """Build a stream of few-shot class-incremental learning (FSCIL).

    Args:
        dataset: Training and test images.
        base_classes: Number of classes in session 0, which brings all their images.
        ways: Number of new classes in each later session.
        shots: Number of training images of each new class.
        sessions: Number of sessions after the base session. ``None`` uses all classes.
        splits: ``standard`` for the lists of the field (TOPIC, CEC) in their class order, or ``{"draw": seed}`` to
            draw the shots with a generator of their own. Only scenarios may say ``drawn``.
        class_order: Order of the classes: ``natural`` (or ``None``), ``{"seed": n}`` to draw it, or a list of ids.
        tested: Whether every session must have test images. A stream that is tested on held-out training images
            needs none, see :func:`~clsim.streams.builders.validation.on_held_out`.

    Returns:
        Stream with ``base_classes`` classes in session 0 and ``ways`` in each later one.

    Raises:
        UserError: An argument has a wrong type or value, the classes do not divide up, a class has too few training
            images, a session has no test image, the standard lists do not fit, or a draw has no seed.

    Example:
        >>> from clsim.data.datasets.shapes import shapes
        >>> stream = fscil(shapes(6, 4, 1), base_classes=2, ways=2, shots=1, splits={"draw": 0})
        >>> [len(session.resident) for session in stream.train_stream], stream.few_shot
        ([8, 2, 2], True)

    """
    given = described(
        FscilStream,
        "fscil",
        dataset,
        base_classes=base_classes,
        ways=ways,
        shots=shots,
        sessions=sessions,
        splits=splits,
        class_order=class_order,
    )
    blocks = arriving_classes(len(dataset.class_names), given)
    if isinstance(given.splits, DrawnSplits):
        indices = draw_sessions(dataset.train.labels, blocks, given.shots, given.splits.draw)
    elif given.splits == DRAWN:
        fix = 'write splits={"draw": SEED}, or "standard"'
        raise ArgumentError(f"splits: '{given.splits}' names no seed to draw by", fix=fix)
    else:
        indices = standard_sessions(dataset)[: len(blocks)]
        _check_lists(dataset, indices, blocks, given.shots)
    stream = Stream(dataset, blocks, [ResidentView(dataset.train, index) for index in indices], few_shot=True)
    return check_tested(stream) if tested else stream


def redrawn(stream: Stream, shots: int, seed: int) -> Stream:
    """Return a few-shot stream with other shots: those that :func:`fscil` draws by a seed.

    The data set is shared, not loaded or copied.

    Args:
        stream: Few-shot stream, also one that is tested on held-out images.
        shots: Number of training images of each class after the base session.
        seed: Seed of the draw.

    Raises:
        UserError: A class has too few training images.
        ArgumentError: The base session has other images than those that a draw leaves to it.

    Example:
        >>> from clsim.data.datasets.shapes import shapes
        >>> stream = fscil(shapes(6, 4, 1), base_classes=2, ways=2, shots=1, splits={"draw": 0})
        >>> other = redrawn(stream, shots=1, seed=1)
        >>> [session.resident.indices.tolist() for session in other.train_stream[1:]]
        [[9, 12], [19, 20]]

    """
    train = stream.dataset.train
    base, *later = draw_sessions(train.labels, stream.class_blocks, shots, seed)
    if not torch.equal(base.sort().values, stream.train_stream[0].resident.indices.sort().values):
        what = "redrawn: stream: its base session lacks images of its classes"
        raise ArgumentError(what, fix="use a stream whose base session has all images of its classes")
    views = [ResidentView(train, indices) for indices in (base, *later)]
    return Stream(stream.dataset, stream.class_blocks, views, few_shot=True)


def _check_lists(
    dataset: DataSet, indices: Sequence[torch.Tensor], blocks: Sequence[Sequence[int]], shots: int
) -> None:
    """Check that the standard lists have the sessions, classes and shots that are asked for."""
    remedy = "write splits: {draw: SEED} for a protocol other than the published one"
    if len(indices) != len(blocks):
        raise UserError(
            f"the standard lists of {dataset.name} have {len(indices)} sessions, not {len(blocks)}",
            fix=remedy,
        )
    for session, (index, block) in enumerate(zip(indices, blocks, strict=True)):
        found, counts = dataset.train.labels[index].unique(return_counts=True)
        if set(found.tolist()) != set(block):
            raise UserError(
                f"session {session} of the standard lists of {dataset.name} has other classes than the stream",
                fix=remedy,
            )
        if session and bool((counts != shots).any()):
            raise UserError(
                f"the standard lists of {dataset.name} hold {int(counts[0])} shots a class, not {shots}",
                fix=remedy,
            )
