"""Labeled and captioned images as a teacher's features, with texts of its classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from clsim.config.models.recipe import ClipRecipe
from clsim.data import data_root, load_dataset
from clsim.data.datasets import flickr8k
from clsim.models.teacher import Teacher
from clsim.pretraining.named_classes import NamedClass, class_positions, imagenet_classes


class TaughtStep(NamedTuple):
    """Batch of ``B`` labeled and ``C`` captioned images with the texts of ``K`` classes.

    Attributes:
        features: Teacher's features, labeled images first, ``(B + C, D)``.
        taught: Teacher's logits of the K classes, ``(B + C, K)``.
        places: Place of each labeled image's class among the K, ``(B,)``.
        labeled: Which of the K classes have labeled images in the corpus, bool ``(K,)``.
        texts: K class texts, then C captions.

    """

    features: Tensor
    taught: Tensor
    places: Tensor
    labeled: Tensor
    texts: tuple[str, ...]

    def to(self, device: str) -> TaughtStep:
        """Return the step with its tensors on a device."""
        features, taught, places, labeled = (part.to(device, non_blocking=True) for part in self[:4])
        return TaughtStep(features, taught, places, labeled, self.texts)


def draw_classes(present: Tensor, total: int, count: int, generator: Generator) -> Tensor:
    """Return all present classes, and others at random up to ``count`` classes in all.

    Args:
        present: Classes of a batch, repeated or not, ``(B,)``.
        total: Number of all classes.
        count: Number of classes to return; more if more are present.
        generator: Source of the order.

    Example:
        >>> draw_classes(torch.tensor([7, 7]), 9, 3, Generator().manual_seed(0))[0]
        tensor(7)

    """
    present = present.unique()
    others = torch.randperm(total, generator=generator)
    others = others[~torch.isin(others, present)]
    return torch.cat([present, others[: max(0, count - len(present))]])


class TaughtCorpus:
    """Images as features of a teacher, in batches that every epoch draws again.

    Args:
        recipe: Recipe with a teacher: seed and sizes.
        teacher: Teacher whose classes are named.
        classes: Texts of the teacher's classes.
        features: Teacher's features of all images, labeled ones first, ``(N + M, D)``.
        labels: Classes of the labeled images, ``(N,)``.
        captions: Captions of each further image, M.

    """

    def __init__(
        self,
        recipe: ClipRecipe,
        teacher: Teacher,
        classes: Sequence[NamedClass],
        features: Tensor,
        labels: Tensor,
        captions: Sequence[Sequence[str]],
    ) -> None:
        assert recipe.teacher is not None
        self._recipe, self._block = recipe, recipe.teacher
        self.teacher, self._classes = teacher, classes
        self.features, self._labels, self._captions = features, labels, captions
        self._labeled = torch.zeros(len(classes), dtype=torch.bool)
        self._labeled[labels] = True

    def texts(self) -> Iterator[str]:
        """Return the texts to build the vocabulary from."""
        for named in self._classes:
            yield from named.texts()
        for captions in self._captions:
            yield from captions

    def steps(self) -> int:
        """Number of full batches of labeled images in an epoch."""
        return min(self._recipe.images, len(self._labels)) // self._recipe.batch_size

    def epoch(self, index: int) -> Iterator[TaughtStep]:
        """Yield the batches of an epoch, equal for equal recipes and indices."""
        generator = Generator().manual_seed(1000 * self._recipe.seed + index)
        labeled = torch.randperm(len(self._labels), generator=generator)
        captioned = torch.randperm(len(self._captions), generator=generator)
        size, beside = self._recipe.batch_size, self._block.captioned if self._captions else 0
        for number in range(self.steps()):
            rows = labeled[number * size :][:size]
            others = captioned[torch.arange(number * beside, (number + 1) * beside) % max(1, len(captioned))]
            yield self._step(rows, others, generator)

    def _step(self, rows: Tensor, others: Tensor, generator: Generator) -> TaughtStep:
        labels = self._labels[rows]
        classes = draw_classes(labels, len(self._classes), self._block.names, generator)
        features = self.features[torch.cat([rows, len(self._labels) + others])]
        draws = torch.rand(len(classes), 3, generator=generator).tolist()
        texts = [self._classes[at].text(drawn) for at, drawn in zip(classes.tolist(), draws, strict=True)]
        which = torch.rand(len(others), generator=generator).tolist()
        options = [self._captions[at] for at in others.tolist()]
        texts += [given[int(draw * len(given))] for given, draw in zip(options, which, strict=True)]
        place = torch.empty(len(self._classes), dtype=torch.long)
        place[classes] = torch.arange(len(classes))
        return TaughtStep(
            features,
            self.teacher.classifier(features)[:, classes],
            place[labels],
            self._labeled[classes],
            tuple(texts),
        )


def make_taught_corpus(recipe: ClipRecipe, teacher: Teacher) -> TaughtCorpus:
    """Return Tiny-ImageNet's training images and Flickr8k's training and dev photographs, as a teacher sees them.

    Raises:
        DataMissing: A data set is not here.

    """
    classes = imagenet_classes()
    labeled = load_dataset("tiny_imagenet32").train
    captioned = flickr8k.load(("train", "dev"), data_root(), recipe.image_size)
    features = torch.cat([teacher.backbone.features_of(images) for images in (labeled, captioned)])
    positions = torch.tensor(class_positions(labeled.class_names, classes))
    return TaughtCorpus(recipe, teacher, classes, features, positions[labeled.labels], captioned.captions)
