"""Upgrades of an image-text model: every session brings a CLIP, queries by it meet the index of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from avalanche.benchmarks import CLScenario
from avalanche.benchmarks.scenarios.generic_scenario import EagerCLStream

from clsim.data.core.captioned import CaptionDataSet, CaptionedImages
from clsim.data.core.images import Images
from clsim.streams.session import ResidentView, Session
from clsim.utils.arguments import Count, checked
from clsim.utils.errors import ArgumentError, UserError
from clsim.utils.text import describe

if TYPE_CHECKING:
    from clsim.models.replacement_model import ReplacementClip


class TextStream(CLScenario[EagerCLStream[Session]]):
    """Sessions that bring an image-text model each, and pairs of images and captions to tune it with.

    In its ``train_stream`` the label of an image is its number in :attr:`pairs`, whose captions tell it; there are no
    classes. Nothing is classified, so that the ``test_stream`` is empty: an evaluation of it compares images with
    texts, see :class:`~clsim.metrics.pair_tests.PairTests`.

    Attributes:
        dataset: training and test images with their captions.
        pairs: the images of every session, the first ones of the training part, with all their captions.
        texts: all captions of the training part; for what is learnt from text alone.
        models: the model of every session, that of session 0 the first to be in service.

    """

    def __init__(self, dataset: CaptionDataSet, models: Sequence[ReplacementClip], pairs: int | None = None) -> None:
        self.dataset = dataset
        self.pairs = dataset.train if pairs is None else dataset.train.subset(range(pairs))
        self.texts = dataset.train.texts
        self.models = tuple(models)
        view = _numbered(self.pairs)
        sessions = [Session(view, number, (), (), ()) for number in range(len(self.models))]
        super().__init__([EagerCLStream("train", sessions), EagerCLStream("test", [])])

    train_stream: EagerCLStream[Session]
    test_stream: EagerCLStream[Session]

    @property
    def image_size(self) -> int:
        """Side of the resident images, in pixels."""
        return int(self.dataset.train.pixels.shape[-1])

    def __len__(self) -> int:
        """Number of sessions."""
        return len(self.models)


@checked
def text_upgrade(dataset: CaptionDataSet, *, load: Sequence[ReplacementClip], pairs: Count | None = None) -> TextStream:
    """Builds a stream of image-text models, each of which takes the place of the one before.

    Args:
        dataset: training and test images with captions.
        load: the models; two are one upgrade, more are a chain.
        pairs: training images that come with a session, the first so many; without it all of them.

    Raises:
        UserError: no model, more images asked for than there are, or an argument that is none.

    """
    if not load:
        raise UserError("an upgrade stream needs a model", where="stream.load")
    for number, model in enumerate(load):
        if not hasattr(model, "clip"):
            raise ArgumentError(f"stream.load.{number}: expected a ReplacementClip, got {describe(model)}")
    if pairs is not None and pairs > len(dataset.train):
        what = f"{pairs} images with captions asked of {dataset.name}, which has {len(dataset.train)} to train on"
        raise UserError(what, where="stream.pairs")
    return TextStream(dataset, load, pairs)


def _numbered(pairs: CaptionedImages) -> ResidentView:
    """Every image a class of its own, named by its first caption: what loaders of classes can carry."""
    numbers = torch.arange(len(pairs), device=pairs.pixels.device)
    names = tuple(texts[0] for texts in pairs.captions)
    return ResidentView(Images(pairs.pixels, numbers, names, pairs.name), torch.arange(len(pairs)))
