"""Facts about data sets that a scenario is checked against before any data is loaded. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from clsim.utils.extensions import load_extensions


class Protocol(NamedTuple):
    """Published few-shot protocol of a data set; its index lists are the ``standard`` splits.

    Attributes:
        base_classes: Number of classes in the base session.
        ways: Number of new classes in each later session.
        shots: Number of training images of each new class.
        sessions: Number of sessions after the base session.
    """

    base_classes: int
    ways: int
    shots: int
    sessions: int


class Facts(NamedTuple):
    """Facts about a data set with classes.

    Attributes:
        classes: Number of classes.
        train_per_class: Number of training images in the smallest class.
        test_per_class: Number of test images in the smallest class.
        image_size: Side of an image in pixels.
        standard: Published few-shot protocol; None without one.
        description: Short description for listings.
    """

    classes: int
    train_per_class: int
    test_per_class: int
    image_size: int
    standard: Protocol | None
    description: str


class CaptionFacts(NamedTuple):
    """Facts about a data set with captions.

    Attributes:
        train: Number of training images.
        test: Number of test images.
        captions: Smallest number of captions of an image.
        image_size: Side of an image in pixels.
        description: Short description for listings.
    """

    train: int
    test: int
    captions: int
    image_size: int
    description: str


FACTS: dict[str, Facts] = {
    "shapes": Facts(100, 50, 20, 32, None, "synthetic images of textured, colored shapes; no files needed"),
    "cifar100": Facts(100, 500, 100, 32, Protocol(60, 5, 5, 8), "natural images"),
    "cifar10": Facts(10, 5000, 1000, 32, None, "natural images"),
    "tiny_imagenet32": Facts(200, 400, 50, 32, None, "200 ImageNet classes at 32 pixels"),
    "tiny_imagenet": Facts(200, 500, 50, 64, None, "200 ImageNet classes"),
    "mini_imagenet": Facts(100, 500, 100, 84, Protocol(60, 5, 5, 8), "100 ImageNet classes, few-shot split"),
    "cub200": Facts(200, 29, 11, 224, Protocol(100, 10, 5, 10), "200 species of birds, official split"),
}
FOLDER = "folder:"  # folder or archive of images; its facts are known only when it is loaded
CAPTIONED: Mapping[str, CaptionFacts] = {
    "shapes": CaptionFacts(4_000, 500, 3, 32, "synthetic images of shapes with captions; no files needed"),
    "flickr8k": CaptionFacts(6_000, 1_000, 5, 224, "photographs of people and animals"),
    "flickr30k": CaptionFacts(29_000, 1_000, 5, 224, "photographs of everyday scenes, Karpathy's split"),
    "coco_captions": CaptionFacts(113_287, 5_000, 5, 224, "photographs of scenes with objects, Karpathy's split"),
}
CAPTIONS = "captions:"  # TSV or CSV file of images and captions


def facts_of(name: object) -> Facts | None:
    """Return the facts about the data set ``name``; None if it is unknown."""
    if not isinstance(name, str):
        return None
    if name not in FACTS:
        load_extensions()  # only here, so that the usual command does not wait for them
    return FACTS.get(name)
