"""Synthetic image-caption pairs for contrastive pre-training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from clsim.data.datasets.shapes import KINDS, STUDIO, Camera, Style, class_kinds, kind_name

SYNONYMS = {
    "plain": ("plain", "solid"),
    "dotted": ("dotted", "spotted"),
    "checkered": ("checkered", "chequered"),
    "rimmed": ("rimmed", "outlined"),
    "grey": ("grey", "gray"),
    "purple": ("purple", "violet"),
    "cyan": ("cyan", "turquoise"),
    "circle": ("circle", "disc"),
    "square": ("square", "box"),
    "ring": ("ring", "hoop"),
    "cross": ("cross", "plus sign"),
    "crescent": ("crescent", "moon"),
}
"""Words that a caption may use for a word of a class name."""
TEMPLATES = ("a photo of a [].", "a picture of a [].", "there is a [] here.", "a [].", "[]", "this is a [].")
"""Caption templates; ``[]`` stands for the objects."""


@dataclass(frozen=True)
class Pairs:
    """Images with one caption each.

    Attributes:
        pixels: Images, uint8 ``[N, 3, H, W]``.
        captions: N captions.
        topics: Topic of each image, int64 ``[N]``. Images of one topic (same class, same photograph) share captions, so
            their captions are not negatives. -1 marks an image that shares none.
    """

    pixels: Tensor
    captions: tuple[str, ...]
    topics: Tensor

    def __len__(self) -> int:
        return len(self.pixels)


class Captioner:
    """Generator of captions for images of shapes, in varying words.

    Args:
        seed: Seed of the words.
    """

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def caption(self, kind: int, clutter: list[int], *, texture: float = 0.6, other: float = 0.3) -> str:
        """Describe the main object.

        Args:
            kind: Index in `KINDS`.
            clutter: Kinds of the other objects, -1 for none.
            texture: Probability that the texture is named.
            other: Probability that another object is named.
        """
        text = self._noun(kind, texture)
        others = [index for index in clutter if index >= 0]
        if others and self._chance(other):
            text += f" and a {self._noun(others[-1], 0.0)}"
        return TEMPLATES[self._pick(len(TEMPLATES))].replace("[]", text)

    def _noun(self, kind: int, texture: float) -> str:
        words = [self._synonym(word) for word in kind_name(kind).split()]
        return " ".join(words if self._chance(texture) else words[1:])

    def _synonym(self, word: str) -> str:
        options = SYNONYMS.get(word, (word,))
        return options[self._pick(len(options))]

    def _pick(self, count: int) -> int:
        return int(torch.randint(count, (), generator=self._generator))

    def _chance(self, probability: float) -> bool:
        return float(torch.rand((), generator=self._generator)) < probability


def shapes_pairs(
    count: int, *, seed: int, image_size: int = 32, style: Style = STUDIO, batch: int = 1024
) -> Iterator[Pairs]:
    """Yield batches of synthetic images with captions.

    The main object is never of a class of the ``shapes`` stream; small background objects may be of any class.

    Args:
        count: Number of images in all.
        seed: Seed of images and captions.
        image_size: Side of an image in pixels.
        style: Rendering style; the images of the stream have another.
        batch: Number of images per batch.
    """
    camera, captioner = Camera(style, seed, image_size), Captioner(seed)
    reserved = set(class_kinds())
    kinds = torch.tensor([kind for kind in range(len(KINDS)) if kind not in reserved])
    for start in range(0, count, batch):
        size = min(batch, count - start)
        chosen = kinds[torch.randint(len(kinds), (size,), generator=camera.generator)]
        clutter = camera.draw_clutter(size)
        rows = zip(chosen.tolist(), clutter.tolist(), strict=True)
        captions = tuple(captioner.caption(kind, others) for kind, others in rows)
        yield Pairs(camera.shoot(chosen, clutter), captions, torch.full((size,), -1))
