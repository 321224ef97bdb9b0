"""Folder of images, or a .tar or .zip archive of one, as a data set: ``folder:PATH``.

The first folder below ``train/`` and ``test/`` (or ``val/``, ``dev/`` and the like, see :mod:`clsim.data.io.parts`) is
the class of an image; deeper folders are ignored. Without such parts, the first folder is the class, and a fifth of
every class (at least one image) becomes the test part. That draw has a fixed seed: the same files give the same split.
A single folder around all others is skipped. Class ids follow the sorted folder names, and ``_`` in a name becomes a
space. Folders with the same resulting name are an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import torch

from clsim.data.core.file_warnings import warn
from clsim.data.core.images import DataSet, Images
from clsim.data.io.filenames import class_name
from clsim.data.io.load import load_images
from clsim.data.io.parts import LAYOUT, find_parts, shared_subfolders
from clsim.data.io.sources import open_source
from clsim.utils.errors import UserError

TEST_SHARE = 0.2
SPLIT_SEED = 0


def load(path: Path, image_size: int | None, cache: Sequence[Path], name: str | None = None) -> DataSet:
    """Load a folder or archive of images.

    Args:
        path: Folder or archive.
        image_size: Side of the images in pixels; None keeps the size of the files.
        cache: Folders of the cache.
        name: Name of the data set; ``folder:PATH`` by default.

    Raises:
        UserError: The images are not in class folders, a class has no training or test images, or an image is damaged.
    """
    source = open_source(path, cache)
    name = name or f"folder:{path}"
    try:
        layout = split(list(source.stamps))
    except UserError as error:
        raise UserError(error.what, where=str(path), fix=error.fix) from None
    source.warn_about_left_out()
    if layout.aside:
        counts = ", ".join(f"{top}/ ({count:,})" for top, count in layout.aside.items())
        warn(f"{path}: images outside of {layout.parts} are left out: {counts}")
    if layout.within:
        shown = ", ".join(layout.within[:3]) + (", ..." if len(layout.within) > 3 else "")
        warn(
            f"{path}: {', '.join(list(layout.train)[:3])} are used as classes, but all have the same "
            f"subfolders: {shown}"
        )
    train, test = layout.train, layout.test
    for missing in sorted(set(train) ^ set(test)):
        where, there = ("train", test) if missing in test else ("test", train)
        same = [word for word in (train if there is test else test) if word.casefold() == missing.casefold()]
        fix = f"it is spelled {same[0]!r} there: use one spelling" if same else None
        raise UserError(f"class {missing!r} has no {where} images", where=str(path), fix=fix)

    def images(by_class: dict[str, list[str]]) -> Images:
        files = [file for word in train for file in by_class[word]]
        labels = [label for label, word in enumerate(train) for _ in by_class[word]]
        return load_images(source, files, labels, tuple(train), name, image_size, cache)

    return DataSet(name, train=images(train), test=images(test))


class Layout(NamedTuple):
    """Training and test files by class.

    Attributes:
        train: Training files of every class by its name, in the order of the class ids.
        test: Test files of every class.
        parts: Folders of the two parts as named in messages; empty if there are none.
        aside: Number of images in each folder beside the parts.
        within: Subfolders that all classes share.
    """

    train: dict[str, list[str]]
    test: dict[str, list[str]]
    parts: str = ""
    aside: Mapping[str, int] = MappingProxyType({})
    within: tuple[str, ...] = ()


def split(files: Sequence[str]) -> Layout:
    """Split files into training and test files by class, from their paths alone.

    Raises:
        UserError: An image is in no class folder, two folders have one name, or the parts are ambiguous.
    """
    parts = {file: tuple(file.split("/")) for file in files}
    while len({path[0] for path in parts.values()}) == 1 and all(len(path) > 2 for path in parts.values()):
        parts = {file: path[1:] for file, path in parts.items()}
    found = find_parts(list(parts.values()))
    if found is None:
        return Layout(*_draw_test_files(_by_class(parts)), within=shared_subfolders(list(parts.values())))
    below = [{f: p[1:] for f, p in parts.items() if p[0] == top and len(p) > 1} for top in (found.train, found.test)]
    tops = Counter(path[0] if len(path) > 1 else "." for path in parts.values())
    aside = {top: count for top, count in sorted(tops.items()) if top not in (found.train, found.test)}
    return Layout(_by_class(below[0]), _by_class(below[1]), f"{found.train}/ and {found.test}/", aside)


def _by_class(parts: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    folders: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for file, path in sorted(parts.items()):
        if len(path) < 2:
            raise UserError(f"this image is in no class folder: {file}", fix=LAYOUT)
        word = class_name(path[0])
        if not word:
            raise UserError(f"the folder name {path[0]!r} gives an empty class name", fix="rename the folder")
        if (other := folders.setdefault(word, path[0])) != path[0]:
            what = f"the folders {other!a} and {path[0]!a} give the same class name, {word!r}"
            raise UserError(what, fix="merge them or rename one")
        groups.setdefault(word, []).append(file)
    return {word: groups[word] for word in sorted(groups, key=lambda word: folders[word])}


def _draw_test_files(by_class: dict[str, list[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    train: dict[str, list[str]] = {}
    test: dict[str, list[str]] = {}
    for word, files in by_class.items():
        if len(files) < 2:
            raise UserError(f"class {word!r} has one image, too few for training and test")
        count = max(1, round(TEST_SHARE * len(files)))
        chosen = set(torch.randperm(len(files), generator=generator)[:count].tolist())
        test[word] = [file for i, file in enumerate(files) if i in chosen]
        train[word] = [file for i, file in enumerate(files) if i not in chosen]
    return train, test
