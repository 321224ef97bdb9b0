"""From image files to one tensor: decoded once, kept on disk, memory-mapped the next time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from clsim.data.core.captioned import CaptionedImages
from clsim.data.core.images import Images
from clsim.data.io.cache import cached_all
from clsim.data.io.decode import decode
from clsim.data.io.source import Source, digest
from clsim.utils.errors import UserError

DECODER = 2
"""Part of every key; another number makes all kept tensors stale."""
Told = dict[str, tuple[str, ...]]
"""For every image, by its path within a source, its captions."""


def resident(
    source: Source,
    files: Sequence[str],
    labels: Sequence[int],
    class_names: tuple[str, ...],
    name: str,
    image_size: int | None,
    cache: Sequence[Path],
) -> Images:
    """The images of ``files`` (paths within ``source``) in this order.

    Raises:
        UserError: a file is missing or no whole image, or, without ``image_size``, the images differ in size.
    """
    missing = [file for file in files if file not in source.stamps]
    if missing:
        what = f"{len(missing)} images of {name} are missing, the first is {missing[0]}"
        raise UserError(what, where=str(source.path))
    key = digest(DECODER, image_size, source.fingerprint(files, cache))
    keys = (key, f"{key}-traits")
    pixels, traits = cached_all(keys, lambda: decode(source.read(files), len(files), image_size), cache)
    return Images(torch.from_numpy(pixels), torch.tensor(labels), class_names, name, tuple(files), traits)


def resident_captions(
    source: Source, told: Mapping[str, tuple[str, ...]], name: str, image_size: int | None, cache: Sequence[Path]
) -> CaptionedImages:
    """The images that ``told`` names, in its order, with their captions.

    Raises:
        UserError: as :func:`resident`.
    """
    images = resident(source, list(told), [0] * len(told), (name,), name, image_size, cache)
    return CaptionedImages(images.pixels, tuple(told.values()), name, images.traits)
