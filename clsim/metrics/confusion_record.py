"""Record of confusions between classes, with small example images of the worst classes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from clsim.metrics.confusion import confusion_by_class, worst_first
from clsim.streams.session import ResidentView

SHOWN = 8
"""Number of classes with example images."""
EXAMPLES = 3
"""Number of misclassified example images per class."""
SIDE = 64
"""Maximum side of an example in pixels. Keeps the record below a few hundred kilobytes."""


def confusion_record(
    labels: Tensor, predictions: Tensor, names: Sequence[str], views: Sequence[ResidentView]
) -> list[dict[str, Any]]:
    """Return one entry for each class with test images.

    Args:
        labels: Class ids of the images in evaluation order, ``(N,)``.
        predictions: Predicted class ids, ``(N,)``.
        names: Names of all classes.
        views: Images in the same order. Entries have no examples if the images do not match the labels.

    """
    found = confusion_by_class(labels, predictions)
    shown = {each.label for each in worst_first(found)[:SHOWN] if each.correct < each.images}
    match = bool(views) and torch.equal(torch.cat([view.labels.cpu() for view in views]), labels)
    return [
        {
            "class": each.label,
            "name": names[each.label],
            "images": each.images,
            "correct": each.correct,
            "mistaken_for": [list(wrong) for wrong in each.mistaken_for],
            "examples": _examples(each.label, labels, predictions, views) if match and each.label in shown else [],
        }
        for each in found
    ]


def _examples(label: int, labels: Tensor, predictions: Tensor, views: Sequence[ResidentView]) -> list[str]:
    """Return the first misclassified images of a class as data URIs."""
    wrong = ((labels == label) & (predictions != label)).nonzero().flatten()[:EXAMPLES].tolist()
    return [data_uri(_pixels(views, position)) for position in wrong]


def _pixels(views: Sequence[ResidentView], position: int) -> Tensor:
    for view in views:
        if position < len(view):
            return view.images.pixels[int(view.indices[position])]
        position -= len(view)
    raise IndexError("there are fewer images than labels")


def data_uri(pixels: Tensor) -> str:
    """Return an image as a small PNG in a data URI.

    Args:
        pixels: Image ``(3, H, W)``, uint8. Scaled down to a side of at most :data:`SIDE`.

    Example:
        >>> data_uri(torch.zeros(3, 4, 4, dtype=torch.uint8))[:22]
        'data:image/png;base64,'

    """
    from PIL import Image

    image = Image.fromarray(pixels.permute(1, 2, 0).cpu().contiguous().numpy())
    image.thumbnail((SIDE, SIDE))
    with io.BytesIO() as stream:
        image.save(stream, "PNG", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
