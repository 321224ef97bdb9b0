"""Streams of classes: sessions that bring new classes, and the test images of those classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Literal

import torch
from avalanche.benchmarks import CLScenario
from avalanche.benchmarks.scenarios.generic_scenario import EagerCLStream

from clsim.data.core.images import DataSet
from clsim.streams.session import ResidentView, Session, sessions_from_views
from clsim.utils.errors import ArgumentError

if TYPE_CHECKING:
    from clsim.models.replacement_model import ReplacementModel
    from clsim.streams.replacements import Replacement


class Stream(CLScenario[EagerCLStream[Session]]):
    """Avalanche scenario with a ``train_stream`` and a ``test_stream`` of images with class ids.

    Attributes:
        dataset: Data set that the sessions were cut from. Labels are its own ids, never renumbered.
        class_blocks: Classes new in every session.
        train_stream: Training images of every session.
        test_stream: Test images of the classes new in every session, so that ``test_stream[: t + 1]`` covers all
            classes seen after session ``t``.
        replacements: Models that arrive from elsewhere, ordered by time. Each session carries its own as well.
        few_shot: Whether sessions after the base session bring only a few images of each class.
        cumulative: Whether a session also holds the classes of all earlier ones, as in a stream of upgrades.
        task: Task of the sessions.
        measures_forgetting: Whether a loss of accuracy on earlier test images is forgetting; it is.

    """

    task: Literal["classification"] = "classification"
    measures_forgetting = True
    train_stream: EagerCLStream[Session]
    test_stream: EagerCLStream[Session]

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

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that the stream may be of. One into which models may arrive need not have any."""
        if self.few_shot:
            return ("fscil",)
        return ("upgrade",) if self.cumulative else ("incremental", "replacement")

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of every class id of the data set."""
        return self.dataset.train.class_names

    @property
    def image_size(self) -> int:
        """Side of the resident images in pixels."""
        return int(self.dataset.train.pixels.shape[-1])

    @property
    def incoming(self) -> dict[str, ReplacementModel]:
        """Models that arrive from elsewhere, by name."""
        return {replacement.model.name: replacement.model for replacement in self.replacements}

    @property
    def tested_images(self) -> list[int]:
        """Number of test images of all classes seen after every session."""
        return list(accumulate(len(session.resident) for session in self.test_stream))

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self.class_blocks)


def check_blocks(dataset: DataSet, blocks: Sequence[Sequence[int]], views: int) -> None:
    """Check that the classes of all sessions are classes of the data set, each new only once.

    Args:
        dataset: Data set with the classes.
        blocks: Classes new in every session.
        views: Number of views of training images.

    Raises:
        ArgumentError: A class is unknown or new twice, or there are not as many sessions as views.

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
