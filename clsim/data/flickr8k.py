"""Flickr8k: photographs with five captions each, on the usual split into 6,091 + 1,000 + 1,000.

Layout: ``flickr8k/images/*``, ``captions.tsv`` (file, number, caption) and ``split_{train,dev,test}.txt``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from clsim.data.cache import cache_folders
from clsim.data.resident import resident
from clsim.data.sources import open_source
from clsim.errors import DataMissing, UserError

NAME = "flickr8k"


@dataclass(frozen=True)
class Photographs:
    """Images and all captions of each.

    Attributes:
        pixels: uint8 [N, 3, H, W].
        captions: for every image, its captions.
    """

    pixels: Tensor
    captions: tuple[tuple[str, ...], ...]


def load(parts: Sequence[Literal["train", "dev", "test"]], root: Path, image_size: int) -> Photographs:
    """The photographs of some parts of the split, cut square and resampled to ``image_size``.

    Raises:
        DataMissing: the folder is not there.
        UserError: a listed photograph has no captions, or is missing or no whole image.
    """
    folder = root / NAME
    if not (folder / "captions.tsv").is_file():
        fix = "copy images/, captions.tsv and split_{train,dev,test}.txt into flickr8k/ in the data root"
        raise DataMissing(f"{NAME} is not here", where=str(folder), fix=fix)
    captions: defaultdict[str, list[str]] = defaultdict(list)
    for number, line in enumerate((folder / "captions.tsv").read_text().splitlines(), start=1):
        columns = line.split("\t")
        if len(columns) != 3:
            raise UserError("this line is not: file, number, caption", where=f"{folder / 'captions.tsv'}:{number}")
        captions[columns[0]].append(columns[2])
    names = [name for part in parts for name in (folder / f"split_{part}.txt").read_text().split()]
    if silent := [name for name in names if name not in captions]:
        raise UserError(f"{len(silent)} photographs have no caption, the first is {silent[0]}", where=str(folder))
    source = open_source(folder / "images")
    images = resident(source, names, [0] * len(names), (NAME,), NAME, image_size, cache_folders(root))
    return Photographs(images.pixels, tuple(tuple(captions[name]) for name in names))
