"""Warnings about image files that are usable but may not be what the user expects."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from clsim.data.io.convert import Traits
from clsim.utils.errors import DataWarning

if TYPE_CHECKING:
    from clsim.data.core.captioned import CaptionDataSet, CaptionedImages
    from clsim.data.core.images import DataSet, Images
    from clsim.data.io.cache import Array

UPSCALED = 1.5
"""Factor of enlargement from which a warning is shown."""
DARK = 16
"""Brightest 8-bit value of an image whose 12 bits are stored in 16."""
COLUMN = {name: i for i, name in enumerate(Traits._fields)}


def warn(text: str) -> None:
    """Issue a :class:`DataWarning`, in the main process only."""
    if os.environ.get("RANK", "0") == "0":
        warnings.warn(text, DataWarning, stacklevel=2)


def warn_about_files(dataset: DataSet | CaptionDataSet) -> None:
    """Issue all warnings about the files of a data set."""
    for text in file_warnings(dataset):
        warn(f"{dataset.name}: {text}")


def file_warnings(dataset: DataSet | CaptionDataSet) -> Iterator[str]:
    """Yield a sentence for each property of the files that the decoded images no longer show."""
    parts = [part for part in (dataset.train, dataset.test) if part.traits is not None]
    if not parts:
        return
    traits = np.concatenate([part.traits for part in parts if part.traits is not None])
    paths = [path for part in parts for path in getattr(part, "paths", None) or ()]
    side = dataset.train.pixels.shape[-1]

    def counted(found: Array) -> str:
        count, example = int(found.sum()), int(found.argmax())
        named = f" (first: {paths[example]})" if len(paths) == len(traits) else ""
        return f"{count:,} of {len(traits):,} files{named}"

    deep = traits[:, COLUMN["deep"]] > 0
    if deep.any() and (highest := int(traits[deep, COLUMN["highest"]].max())) <= DARK:
        yield (
            f"{counted(deep)} have more than 8 bits of gray, and none is brighter than {highest} of 255; "
            "if the files use only part of their range, rescale them"
        )
    if (transparent := traits[:, COLUMN["transparent"]] > 0).any():
        yield f"{counted(transparent)} have transparent pixels, which are shown on white"
    if (multiple := traits[:, COLUMN["multiple"]] > 0).any():
        yield f"{counted(multiple)} hold multiple pictures; only the first is used"
    short = traits[:, COLUMN["short_side"]]
    if (small := short * UPSCALED < side).any():
        yield f"{counted(small)} are smaller than {side} pixels and are upscaled up to {side / short.min():.1f} times"


def warn_if_upscaled(images: Images | CaptionedImages, wanted: int) -> None:
    """Warn if a model upscales stored images although their files have more pixels.

    Small originals, such as those of CIFAR with 32 pixels, need no warning.

    Args:
        images: Images as stored.
        wanted: Image size of the model in pixels.
    """
    stored, files = images.pixels.shape[-1], images.file_side
    if files is None or min(files, wanted) <= UPSCALED * stored:
        return
    warn(
        f"{images.name} is stored at {stored} pixels and upscaled to {wanted} for the model, "
        f"but its files have {files} pixels: set stream.image_size to {wanted}"
    )
