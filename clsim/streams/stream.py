"""What every stream is: sessions that bring classes, and the test images of those classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

import torch
from avalanche.benchmarks import CLScenario
from avalanche.benchmarks.scenarios.generic_scenario import EagerCLStream

from clsim.data.core.images import DataSet
from clsim.streams.session import ResidentView, Session, sessions_from_views
from clsim.utils.errors import ArgumentError

if TYPE_CHECKING:
    from clsim.streams.replacements import Replacement


class Stream(CLScenario[EagerCLStream[Session]]):
    """An Avalanche scenario with ``train_stream`` and ``test_stream``, and what strategies ask of a stream.

    Attributes:
        dataset: the data set it was cut from; labels are that data set's own ids, never renumbered.
        class_blocks: the classes new in every session.
        test_stream: session ``t`` holds the test images of the classes new in session ``t``, so that
            ``test_stream[: t + 1]`` are those of all classes seen by then.
        replacements: every model that arrives from elsewhere, by time; also in the sessions of ``train_stream``.
        few_shot: whether the sessions after the base session bring only a few images of each class.
        cumulative: whether a session holds the classes of those before as well, as in a stream of upgrades.

    """

    def __init__(
        self,
        dataset: DataSet,
        class_blocks: Sequence[Sequence[int]],
        train: Sequence[ResidentView],
        *,
        replacements: Sequence[Replacement] = (),
        few_shot: bool = False,
        cumulative: bool = False,
    ) -> None:
        check_blocks(dataset, class_blocks, len(train))
        self.dataset = dataset
        self.replacements = tuple(replacements)
        self.few_shot = few_shot
        self.cumulative = cumulative
        self.class_blocks = tuple(tuple(block) for block in class_blocks)
        labels = dataset.test.labels.cpu()  # positions are on the CPU, wherever the images are
        test = [
            ResidentView(dataset.test, torch.isin(labels, torch.tensor(block)).nonzero().flatten())
            for block in class_blocks
        ]
        super().__init__(
            [
                EagerCLStream("train", sessions_from_views(train, class_blocks, self.replacements, cumulative)),
                EagerCLStream("test", sessions_from_views(test, class_blocks)),
            ]
        )

    train_stream: EagerCLStream[Session]
    test_stream: EagerCLStream[Session]

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name for every class id of the data set."""
        return self.dataset.train.class_names

    @property
    def image_size(self) -> int:
        """Side of the resident images, in pixels."""
        return int(self.dataset.train.pixels.shape[-1])

    def __len__(self) -> int:
        """Number of sessions."""
        return len(self.class_blocks)


def check_blocks(dataset: DataSet, blocks: Sequence[Sequence[int]], views: int) -> None:
    """Make sure that the classes of a stream's sessions are classes of its data set, each new only once.

    Raises:
        ArgumentError: one is not, or there are not as many sessions as views of images.

    """
    if len(blocks) != views:
        raise ArgumentError(f"{views} views of training images are given for {len(blocks)} sessions")
    count, seen = len(dataset.class_names), set[int]()
    for label in chain.from_iterable(blocks):
        if type(label) is not int or not 0 <= label < count:
            raise ArgumentError(f"class_blocks: there is no class {label!r} (allowed: 0 to {count - 1})")
        if label in seen:
            raise ArgumentError(f"class_blocks: class {label} is new twice")
        seen.add(label)
