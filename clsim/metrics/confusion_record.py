"""The record of which classes were taken for which others, with a few small images of the worst."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from clsim.metrics.confusion import confusion, worst_first
from clsim.streams.session import ResidentView

SHOWN = 8
"""Classes of which examples are kept."""
EXAMPLES = 3
"""Images of each, named wrongly."""
SIDE = 64
"""Pixels of the longer side of an example at most: the record stays below some hundred kilobytes."""


def confused_classes(
    labels: Tensor, answers: Tensor, names: Sequence[str], views: Sequence[ResidentView]
) -> list[dict[str, Any]]:
    """One entry for every class that has test images.

    Args:
        labels: class ids of the images in the order in which they were evaluated.
        answers: what each was taken for.
        names: of all classes.
        views: the images themselves, in the same order; without examples where they do not fit the labels.

    """
    found = confusion(labels, answers)
    shown = {each.label for each in worst_first(found)[:SHOWN] if each.correct < each.images}
    here = bool(views) and torch.equal(torch.cat([view.labels.cpu() for view in views]), labels)
    return [
        {
            "class": each.label,
            "name": names[each.label],
            "images": each.images,
            "correct": each.correct,
            "mistaken_for": [list(wrong) for wrong in each.mistaken_for],
            "examples": _examples(each.label, labels, answers, views) if here and each.label in shown else [],
        }
        for each in found
    ]


def _examples(label: int, labels: Tensor, answers: Tensor, views: Sequence[ResidentView]) -> list[str]:
    """The first images of a class that were named wrongly, as data URIs."""
    places = ((labels == label) & (answers != label)).nonzero().flatten()[:EXAMPLES].tolist()
    return [data_uri(_pixels(views, place)) for place in places]


def _pixels(views: Sequence[ResidentView], place: int) -> Tensor:
    for view in views:
        if place < len(view):
            return view.images.pixels[int(view.indices[place])]
        place -= len(view)
    raise IndexError("there are fewer images than labels")


def data_uri(pixels: Tensor) -> str:
    """An image ``[3, H, W]``, small, as a PNG within a text."""
    from PIL import Image

    image = Image.fromarray(pixels.permute(1, 2, 0).cpu().contiguous().numpy())
    image.thumbnail((SIDE, SIDE))
    with io.BytesIO() as stream:
        image.save(stream, "PNG", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
