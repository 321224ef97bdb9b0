"""What is known of the data sets before any is loaded: enough to check a scenario. Imports nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Protocol(NamedTuple):
    """The published few-shot protocol of a data set, whose index lists are the ``standard`` splits."""

    base_classes: int
    ways: int
    shots: int
    sessions: int


class Facts(NamedTuple):
    """A data set in numbers: images a class are those of the smallest class; the image side is in pixels."""

    classes: int
    train_per_class: int
    test_per_class: int
    image_size: int
    standard: Protocol | None
    description: str


class CaptionFacts(NamedTuple):
    """Images with captions in numbers: the least captions of an image; the image side is in pixels."""

    train: int
    test: int
    captions: int
    image_size: int
    description: str


FACTS: Mapping[str, Facts] = {
    "shapes": Facts(100, 50, 20, 32, None, "the embedded world: textured, coloured shapes; needs no file"),
    "cifar100": Facts(100, 500, 100, 32, Protocol(60, 5, 5, 8), "natural images"),
    "cifar10": Facts(10, 5000, 1000, 32, None, "natural images"),
    "tiny_imagenet32": Facts(200, 400, 50, 32, None, "200 ImageNet classes at 32 pixels"),
    "tiny_imagenet": Facts(200, 500, 50, 64, None, "200 ImageNet classes"),
    "mini_imagenet": Facts(100, 500, 100, 84, Protocol(60, 5, 5, 8), "100 ImageNet classes, few-shot split"),
    "cub200": Facts(200, 29, 11, 224, Protocol(100, 10, 5, 10), "200 species of birds, official split"),
}
FOLDER = "folder:"  # any folder or archive of images: known only when it is loaded
CAPTIONED: Mapping[str, CaptionFacts] = {
    "shapes": CaptionFacts(4_000, 500, 3, 32, "the embedded world, told in words; needs no file"),
    "flickr8k": CaptionFacts(6_000, 1_000, 5, 224, "photographs of people and animals"),
    "flickr30k": CaptionFacts(29_000, 1_000, 5, 224, "photographs of everyday scenes, Karpathy's split"),
    "coco_captions": CaptionFacts(113_287, 5_000, 5, 224, "photographs of scenes with objects, Karpathy's split"),
}
CAPTIONS = "captions:"  # any TSV or CSV of images and captions


def facts_of(name: object) -> Facts | None:
    """What is known of a data set, if `name` is the name of one."""
    return FACTS.get(name) if isinstance(name, str) else None
