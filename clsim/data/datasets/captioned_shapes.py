"""The embedded world with several captions an image, for retrieval between images and texts."""

from __future__ import annotations

import torch

from clsim.data.core.captioned import CaptionDataSet, CaptionedImages
from clsim.data.datasets.captions import TEMPLATES, Speaker
from clsim.data.datasets.shapes import FIELD, KINDS, Camera, Style, class_kinds

FIRST_SEED = 3_000_000_019
"""Far from the seeds that pre-training draws from (1,000,003 and up) and from those of the stream's own pictures;
generators keep 32 bits of a seed, so it cannot lie beyond the reach of all of them."""
TEXTURE, BESIDE = 0.9, 0.5
"""Chances that a caption tells the texture, and the thing beside: greater than in pre-training, because a caption
has to tell its image from all the others."""
BATCH = 1024


def shapes_captioned(
    train: int = 4000,
    test: int = 500,
    *,
    image_size: int = 32,
    captions: int = 3,
    style: Style = FIELD,
    seed: int = 0,
) -> CaptionDataSet:
    """Fresh pictures told in words: the same bytes and texts for the same arguments on one machine.

    The main thing in a picture is never of a class that the stream ``shapes`` teaches, and all other kinds occur
    equally often, but for one; with up to as many images as there are such kinds (620), each has its own.

    Args:
        train, test: images of each part.
        image_size: height and width in pixels.
        captions: of an image, all different.
        style: how the pictures are taken.
        seed: of pictures and words.

    Raises:
        ValueError: no image in a part, or more captions than there are surely different ones.
    """
    if train < 1 or test < 1:
        raise ValueError(f"{train} training and {test} test images: each part needs one at least")
    if not 1 <= captions <= len(TEMPLATES):
        raise ValueError(f"{captions} captions: an image has 1 to {len(TEMPLATES)}")

    def draw(count: int, seed: int) -> CaptionedImages:
        camera, speaker = Camera(style, seed, image_size), Speaker(seed)
        kinds = _kinds(count, camera.generator)
        clutter = camera.draw_clutter(count)
        pixels = [camera.shoot(*part) for part in zip(kinds.split(BATCH), clutter.split(BATCH), strict=True)]
        rows = zip(kinds.tolist(), clutter.tolist(), strict=True)
        told = tuple(_told(speaker, kind, others, captions) for kind, others in rows)
        return CaptionedImages(torch.cat(pixels), told, "shapes")

    first = FIRST_SEED + 2 * seed
    return CaptionDataSet("shapes", train=draw(train, first), test=draw(test, first + 1))


def _kinds(count: int, generator: torch.Generator) -> torch.Tensor:
    """Main things, int64 [count]: all kinds in a random order, and again in another."""
    reserved = set(class_kinds())
    kinds = torch.tensor([kind for kind in range(len(KINDS)) if kind not in reserved])
    rounds = -(-count // len(kinds))
    return torch.cat([kinds[torch.randperm(len(kinds), generator=generator)] for _ in range(rounds)])[:count]


def _told(speaker: Speaker, kind: int, clutter: list[int], count: int) -> tuple[str, ...]:
    told: dict[str, None] = {}
    while len(told) < count:
        told[speaker.caption(kind, clutter, texture=TEXTURE, beside=BESIDE)] = None
    return tuple(told)
