"""The data set ``shapes`` with several captions per image, for image-text retrieval."""

from __future__ import annotations

import torch

from clsim.data.core.captioned import CaptionDataSet, CaptionedImages
from clsim.data.datasets.shapes import FIELD, KINDS, Camera, Style, class_kinds
from clsim.data.datasets.shapes_pairs import TEMPLATES, Captioner

FIRST_SEED = 3_000_000_019
"""Seed beyond those of pre-training (1,000,003 and up) and of the stream's images; generators use 32 bits of it."""
TEXTURE_PROBABILITY, CLUTTER_PROBABILITY = 0.9, 0.5
"""Probabilities that a caption names the texture, and another object. They exceed those of pre-training,
because a caption has to distinguish its image from all others."""
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
    """Draw images with captions; the same arguments give the same bytes and texts on one machine.

    The main object is never of a class of the ``shapes`` stream. All other kinds occur equally often, up to one image.
    Up to the number of these kinds (620), every image has a different kind.

    Args:
        train: Number of training images.
        test: Number of test images.
        image_size: Height and width in pixels.
        captions: Number of captions per image, all different.
        style: Rendering style.
        seed: Seed of images and captions.

    Raises:
        ValueError: A part has no images, or more captions are requested than can be guaranteed to differ.
    """
    if train < 1 or test < 1:
        raise ValueError(f"{train} training and {test} test images: each part needs at least one")
    if not 1 <= captions <= len(TEMPLATES):
        raise ValueError(f"{captions} captions per image: expected 1 to {len(TEMPLATES)}")

    def draw(count: int, seed: int) -> CaptionedImages:
        camera, captioner = Camera(style, seed, image_size), Captioner(seed)
        kinds = _kinds(count, camera.generator)
        clutter = camera.draw_clutter(count)
        pixels = [camera.shoot(*part) for part in zip(kinds.split(BATCH), clutter.split(BATCH), strict=True)]
        rows = zip(kinds.tolist(), clutter.tolist(), strict=True)
        texts = tuple(_distinct_captions(captioner, kind, others, captions) for kind, others in rows)
        return CaptionedImages(torch.cat(pixels), texts, "shapes")

    first = FIRST_SEED + 2 * seed
    return CaptionDataSet("shapes", train=draw(train, first), test=draw(test, first + 1))


def _kinds(count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw kinds of main objects, int64 ``[count]``: all kinds in random order, then again in another."""
    reserved = set(class_kinds())
    kinds = torch.tensor([kind for kind in range(len(KINDS)) if kind not in reserved])
    rounds = -(-count // len(kinds))
    return torch.cat([kinds[torch.randperm(len(kinds), generator=generator)] for _ in range(rounds)])[:count]


def _distinct_captions(captioner: Captioner, kind: int, clutter: list[int], count: int) -> tuple[str, ...]:
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[captioner.caption(kind, clutter, texture=TEXTURE_PROBABILITY, other=CLUTTER_PROBABILITY)] = None
    return tuple(texts)
