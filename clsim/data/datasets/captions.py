"""Images with captions, for pre-training: the embedded world, class names, and photographs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from clsim.data.datasets.shapes import KINDS, STUDIO, Camera, Style, class_kinds, kind_name

SAYINGS = {
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
TEMPLATES = ("a photo of a [].", "a picture of a [].", "there is a [] here.", "a [].", "[]", "this is a [].")


@dataclass(frozen=True)
class Pairs:
    """Images and one caption each.

    Attributes:
        pixels: uint8 [N, 3, H, W].
        captions: N texts.
        topics: int64 [N]; images of one topic may be told by each other's captions (same class, same
            photograph), so they are not counted as wrong answers. -1: a topic of its own.
    """

    pixels: Tensor
    captions: tuple[str, ...]
    topics: Tensor

    def __len__(self) -> int:
        return len(self.pixels)


class Speaker:
    """Tells what is on a picture of the embedded world, in varying words."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def caption(self, kind: int, clutter: list[int], *, texture: float = 0.6, beside: float = 0.3) -> str:
        """A sentence about the main object.

        Args:
            kind: index in `KINDS`.
            clutter: kinds of the other objects, -1 for none.
            texture: chance that the texture is mentioned.
            beside: chance that another object is.
        """
        text = self._noun(kind, texture)
        others = [other for other in clutter if other >= 0]
        if others and self._chance(beside):
            text += f" and a {self._noun(others[-1], 0.0)}"
        return TEMPLATES[self._pick(len(TEMPLATES))].replace("[]", text)

    def _noun(self, kind: int, texture: float) -> str:
        spoken = [self._say(word) for word in kind_name(kind).split()]
        return " ".join(spoken if self._chance(texture) else spoken[1:])

    def _say(self, word: str) -> str:
        options = SAYINGS.get(word, (word,))
        return options[self._pick(len(options))]

    def _pick(self, count: int) -> int:
        return int(torch.randint(count, (), generator=self._generator))

    def _chance(self, probability: float) -> bool:
        return float(torch.rand((), generator=self._generator)) < probability


def shapes_pairs(
    count: int, *, seed: int, image_size: int = 32, style: Style = STUDIO, batch: int = 1024
) -> Iterator[Pairs]:
    """Fresh pictures of the embedded world, in batches; never of a class that the stream teaches.

    That holds for the main thing in a picture; small things in the background may be of any class.

    Args:
        count: pictures in all.
        seed: of pictures and words.
        image_size: in pixels.
        style: how they are taken; the stream's own pictures are taken in another.
        batch: pictures drawn at a time.
    """
    camera, speaker = Camera(style, seed, image_size), Speaker(seed)
    reserved = set(class_kinds())
    kinds = torch.tensor([kind for kind in range(len(KINDS)) if kind not in reserved])
    for start in range(0, count, batch):
        size = min(batch, count - start)
        chosen = kinds[torch.randint(len(kinds), (size,), generator=camera.generator)]
        clutter = camera.draw_clutter(size)
        rows = zip(chosen.tolist(), clutter.tolist(), strict=True)
        captions = tuple(speaker.caption(kind, others) for kind, others in rows)
        yield Pairs(camera.shoot(chosen, clutter), captions, torch.full((size,), -1))
