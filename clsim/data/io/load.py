"""Loading of image files as one tensor: decoded once, cached on disk, memory-mapped afterwards."""

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
"""Version of the decoder, a part of every cache key."""
Captions = dict[str, tuple[str, ...]]
"""Captions of each image, by its path within a source."""


def load_images(
    source: Source,
    files: Sequence[str],
    labels: Sequence[int],
    class_names: tuple[str, ...],
    name: str,
    image_size: int | None,
    cache: Sequence[Path],
) -> Images:
    """Load images of a source in the given order.

    Args:
        source: Folder or archive of the files.
        files: Paths within ``source``.
        labels: Class ids of the images.
        class_names: Names of all classes.
        name: Name of the data set.
        image_size: Side of the images in pixels; None keeps the size of the files.
        cache: Folders of the cache.

    Raises:
        UserError: A file is missing or damaged, or, without ``image_size``, the images differ in size.
    """
    missing = [file for file in files if file not in source.stamps]
    if missing:
        what = f"{len(missing)} images of {name} are missing; the first is {missing[0]}"
        raise UserError(what, where=str(source.path))
    key = digest(DECODER, image_size, source.fingerprint(files, cache))
    keys = (key, f"{key}-traits")
    pixels, traits = cached_all(keys, lambda: decode(source.read(files), len(files), image_size), cache)
    return Images(torch.from_numpy(pixels), torch.tensor(labels), class_names, name, tuple(files), traits)


def load_captioned_images(
    source: Source, captions: Mapping[str, tuple[str, ...]], name: str, image_size: int | None, cache: Sequence[Path]
) -> CaptionedImages:
    """Load the images named in ``captions``, in its order.

    Raises:
        UserError: As :func:`load_images`.
    """
    images = load_images(source, list(captions), [0] * len(captions), (name,), name, image_size, cache)
    return CaptionedImages(images.pixels, tuple(captions.values()), name, images.traits)
