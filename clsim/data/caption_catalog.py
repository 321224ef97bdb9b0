"""Data sets with captions by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path

from clsim.data.core.captioned import CaptionDataSet
from clsim.data.core.file_warnings import warn_about_files
from clsim.data.datasets import caption_file, coco_captions, flickr8k, flickr30k
from clsim.data.facts import CAPTIONED, CAPTIONS
from clsim.data.io.cache import cache_folders
from clsim.utils.errors import UserError
from clsim.utils.files import from_home


def _draw_shapes(root: Path, image_size: int | None) -> CaptionDataSet:
    from clsim.data.datasets.shapes_captioned import shapes_captioned

    facts = CAPTIONED["shapes"]
    size = image_size or facts.image_size
    return shapes_captioned(facts.train, facts.test, image_size=size, captions=facts.captions)


LOADERS: Mapping[str, Callable[[Path, int | None], CaptionDataSet]] = {
    "shapes": _draw_shapes,
    flickr8k.NAME: flickr8k.load_captions,
    flickr30k.NAME: flickr30k.load_captions,
    coco_captions.NAME: coco_captions.load_captions,
}


def load(name: str, *, image_size: int | None, root: Path) -> CaptionDataSet:
    """Load images with captions; see :func:`clsim.data.load_captions`."""
    dataset = _load(name, image_size, root)
    warn_about_files(dataset)
    return dataset


def _load(name: str, image_size: int | None, root: Path) -> CaptionDataSet:
    if name.startswith(CAPTIONS):
        if not name.removeprefix(CAPTIONS).strip():
            raise UserError(f"no path after {CAPTIONS!r}", fix=f"write {CAPTIONS}PATH")
        path = from_home(name.removeprefix(CAPTIONS), name)
        return caption_file.load(path, image_size, cache_folders(root), name)
    if name not in LOADERS:
        near = get_close_matches(name, LOADERS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        fix = f"{hint}data sets with captions: {', '.join(LOADERS)}, {CAPTIONS}PATH"
        raise UserError(f"unknown data set with captions: {name!r}", fix=fix)
    return LOADERS[name](root, image_size)
