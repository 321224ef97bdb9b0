"""Streams of image-text models, and pairs of images and captions to tune them with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from avalanche.benchmarks import CLScenario
from avalanche.benchmarks.scenarios.generic_scenario import EagerCLStream

from clsim.data.core.captioned import CaptionDataSet, CaptionedImages
from clsim.data.core.images import Images
from clsim.streams.session import ResidentView, Session

if TYPE_CHECKING:
    from clsim.models.replacement_model import ReplacementClip


class TextStream(CLScenario[EagerCLStream[Session]]):
    """Avalanche scenario in which every session brings an image-text model.

    The label of a training image is its position in :attr:`pairs`, whose captions describe it; there are no classes.
    Nothing is classified, so ``test_stream`` is empty. An evaluation compares images with texts, see
    :class:`~clsim.metrics.pair_tests.PairTests`.

    Attributes:
        dataset: Training and test images with their captions.
        pairs: Images of every session with all their captions, the first ones of the training part.
        texts: All captions of the training part, for methods that learn from text alone.
        models: Model of every session. That of session 0 is the first in service.
        class_blocks: Empty, since there are no classes.
        task: Task of the sessions.
        measures_forgetting: Whether a loss of accuracy on earlier test images is forgetting; all sessions are tested
            on the same pairs, so it is not.

    """

    task: Literal["image_text"] = "image_text"
    measures_forgetting = False
    kinds = ("text_upgrade",)
    class_blocks: tuple[tuple[int, ...], ...] = ()
    train_stream: EagerCLStream[Session]
    test_stream: EagerCLStream[Session]

    def __init__(self, dataset: CaptionDataSet, models: Sequence[ReplacementClip], pairs: int | None = None) -> None:
        self.dataset = dataset
        self.pairs = dataset.train if pairs is None else dataset.train.subset(range(pairs))
        self.texts = dataset.train.texts
        self.models = tuple(models)
        view = _numbered(self.pairs)
        sessions = [Session(view, number, (), (), ()) for number in range(len(self.models))]
        super().__init__([EagerCLStream("train", sessions), EagerCLStream("test", [])])

    @property
    def image_size(self) -> int:
        """Side of the resident images in pixels."""
        return int(self.dataset.train.pixels.shape[-1])

    @property
    def incoming(self) -> dict[str, ReplacementClip]:
        """Models of all sessions, by name."""
        return {model.name: model for model in self.models}

    @property
    def tested_images(self) -> list[int]:
        """Number of test images after every session: always all of them."""
        return [len(self.dataset.test)] * len(self)

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self.models)


def _numbered(pairs: CaptionedImages) -> ResidentView:
    """Return a view in which every image is a class named by its first caption, as loaders of classes need it."""
    numbers = torch.arange(len(pairs), device=pairs.pixels.device)
    names = tuple(texts[0] for texts in pairs.captions)
    return ResidentView(Images(pairs.pixels, numbers, names, pairs.name), torch.arange(len(pairs)))
