"""Warnings about images that are usable, but not what their user may think."""

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

ENLARGED = 1.5
"""Factor from which an enlargement is worth a word."""
DARK = 16
"""Brightest value, of 255, that 12 bits reach in a file of 16."""
COLUMN = {name: i for i, name in enumerate(Traits._fields)}


def tell(text: str) -> None:
    """Warn once, in the first process of a run only."""
    if os.environ.get("RANK", "0") == "0":
        warnings.warn(text, DataWarning, stacklevel=2)


def tell_of(dataset: DataSet | CaptionDataSet) -> None:
    """Warn of every remark on the files of a data set."""
    for text in remarks(dataset):
        tell(f"{dataset.name}: {text}")


def remarks(dataset: DataSet | CaptionDataSet) -> Iterator[str]:
    """What the decoded images of a data set no longer show of their files, a sentence each."""
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
            f"{counted(deep)} hold more than 8 bits of grey, and all of them are dark: none is brighter than {highest} "
            "of 255; if they use only a part of their range, rescale the files"
        )
    if (transparent := traits[:, COLUMN["transparent"]] > 0).any():
        yield f"{counted(transparent)} have transparent parts, which are laid on white"
    if (several := traits[:, COLUMN["several"]] > 0).any():
        yield f"{counted(several)} hold several pictures, of which the first is used"
    short = traits[:, COLUMN["short_side"]]
    if (small := short * ENLARGED < side).any():
        yield f"{counted(small)} are smaller than {side} pixels and enlarged up to {side / short.min():.1f} times"


def tell_if_enlarged(images: Images | CaptionedImages, wanted: int) -> None:
    """Warn if a model enlarges stored images although their files hold more pixels.

    Small originals are in the nature of a data set (CIFAR has 32 pixels) and need no warning.

    Args:
        images: As they are stored.
        wanted: Side of the square that the model takes, in pixels.
    """
    stored, files = images.pixels.shape[-1], images.file_side
    if files is None or min(files, wanted) <= ENLARGED * stored:
        return
    tell(
        f"{images.name} is stored at {stored} pixels and enlarged to the {wanted} of the model, "
        f"while its files have {files}: set stream.image_size to {wanted}"
    )
