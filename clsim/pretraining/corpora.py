"""Corpora of image-caption pairs that a recipe can name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from clsim.config.models.recipe import ClipRecipe
from clsim.data import data_root, load_dataset
from clsim.data.augment import Compose, HorizontalFlip, RandomCrop
from clsim.data.datasets import flickr8k
from clsim.data.datasets.shapes_pairs import Pairs, shapes_pairs

PHOTO_TEMPLATES = ("a photo of a [].", "a picture of a [].", "a small photo of the [].", "a [].", "[].", "[]")


class Corpus(Protocol):
    """Source of image-caption pairs."""

    def texts(self) -> Iterable[str]:
        """Return the texts to build the vocabulary from."""
        ...

    def steps(self) -> int:
        """Number of batches in an epoch."""
        ...

    def epoch(self, index: int) -> Iterator[Pairs]:
        """Yield the pairs of an epoch in full batches, equal for equal recipes and indices."""
        ...


def make_corpus(recipe: ClipRecipe) -> Corpus:
    """Return the corpus of a recipe.

    Raises:
        DataMissing: a data set that it names is not here.
    """
    return ShapesCorpus(recipe) if recipe.sources == ("shapes",) else PhotoCorpus.of(recipe)


class ShapesCorpus:
    """Synthetic images, new ones in every epoch."""

    def __init__(self, recipe: ClipRecipe) -> None:
        self._recipe = recipe

    def texts(self) -> Iterator[str]:
        """Return the captions of some images. Every word is common, so a few thousand contain all."""
        for pairs in self._draw(4096, 1024, index=999):
            yield from pairs.captions

    def steps(self) -> int:
        """Number of full batches."""
        return self._recipe.images // self._recipe.batch_size

    def epoch(self, index: int) -> Iterator[Pairs]:
        """Yield new images and captions."""
        batch = self._recipe.batch_size
        return self._draw(self.steps() * batch, batch, index)

    def _draw(self, count: int, batch: int, index: int) -> Iterator[Pairs]:
        # Far from the seeds of the stream's own pictures, so that no scene occurs in both.
        seed = 1_000_003 + 1000 * self._recipe.seed + index
        return shapes_pairs(count, seed=seed, image_size=self._recipe.image_size, batch=batch)


class PhotoCorpus:
    """Photographs with captions. Every epoch crops and flips at random and draws one caption per photograph.

    Args:
        recipe: Recipe with seed and sizes; ``images`` beyond the number of photographs takes all of them.
        pixels: Photographs as uint8 ``(N, 3, H, W)``.
        captions: Captions of every photograph.
        topics: Topics as int64 ``(N,)``. Captions of one topic fit all its photographs; -1 is no topic.
    """

    def __init__(
        self, recipe: ClipRecipe, pixels: Tensor, captions: tuple[tuple[str, ...], ...], topics: Tensor
    ) -> None:
        self._recipe = recipe
        self._pixels, self._captions, self._topics = pixels, captions, topics
        self._augment = Compose(RandomCrop(recipe.image_size // 8), HorizontalFlip())

    @classmethod
    def of(cls, recipe: ClipRecipe) -> PhotoCorpus:
        """Load a recipe's data sets: Tiny-ImageNet with class names as captions, Flickr8k without its test part."""
        pixels: list[Tensor] = []
        captions: list[tuple[str, ...]] = []
        topics: list[Tensor] = []
        for source in recipe.sources:
            if source == "flickr8k":
                photographs = flickr8k.load(("train", "dev"), data_root(), recipe.image_size)
                pixels.append(photographs.pixels)
                captions += photographs.captions
                topics.append(torch.full((len(photographs.pixels),), -1))
            else:
                images = load_dataset(source, image_size=recipe.image_size).train
                texts = [tuple(t.replace("[]", name) for t in PHOTO_TEMPLATES) for name in images.class_names]
                pixels.append(images.pixels)
                captions += [texts[label] for label in images.labels.tolist()]
                topics.append(images.labels)
        return cls(recipe, torch.cat(pixels), tuple(captions), torch.cat(topics))

    def texts(self) -> Iterator[str]:
        """Return all captions, those of a class once for each of its images."""
        for options in self._captions:
            yield from options

    def steps(self) -> int:
        """Number of full batches."""
        return min(self._recipe.images, len(self._pixels)) // self._recipe.batch_size

    def epoch(self, index: int) -> Iterator[Pairs]:
        """Yield pairs in a new order, with new captions and crops."""
        generator = torch.Generator().manual_seed(1000 * self._recipe.seed + index)
        batch = self._recipe.batch_size
        order = torch.randperm(len(self._pixels), generator=generator)[: self.steps() * batch]
        for rows in order.split(batch):
            draws = torch.rand(batch, generator=generator).tolist()
            options = [self._captions[row] for row in rows.tolist()]
            captions = tuple(texts[int(draw * len(texts))] for texts, draw in zip(options, draws, strict=True))
            yield Pairs(self._augment(self._pixels[rows], generator), captions, self._topics[rows])
