"""Any folder of images, or a .tar or .zip of one, as a data set: ``folder:PATH``.

The first folder below ``train/`` and ``test/`` (or ``val/``, ``dev/`` and the like, see :mod:`clsim.data.io.parts`) is
the class of an image; deeper ones do not matter. Without such parts, the first folder is the class, and a fifth of
every class (at least one image) is set aside as test images by a draw with a fixed seed: the same files, the same
split. A single folder around all the others is looked through. Class ids follow the sorted folder names; ``_`` in a
name becomes a space, and folders that would have one name are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import torch

from clsim.data.core.images import DataSet, Images
from clsim.data.core.notices import tell
from clsim.data.io.names import class_name
from clsim.data.io.parts import LAYOUT, find_parts, same_within
from clsim.data.io.resident import resident
from clsim.data.io.sources import open_source
from clsim.utils.errors import UserError

TEST_SHARE = 0.2
SPLIT_SEED = 0


def load(path: Path, image_size: int | None, cache: Sequence[Path], name: str | None = None) -> DataSet:
    """Load the images at ``path`` as the data set ``name``, or ``folder:PATH``.

    Raises:
        UserError: the images are not in folders by class, a class has none to train or to test on, or a file
            is not a whole image.
    """
    source = open_source(path, cache)
    name = name or f"folder:{path}"
    try:
        layout = split(list(source.stamps))
    except UserError as error:
        raise UserError(error.what, where=str(path), fix=error.fix) from None
    source.tell_left_out()
    if layout.aside:
        counts = ", ".join(f"{top}/ ({count:,})" for top, count in layout.aside.items())
        tell(f"{path}: images of other folders than {layout.parts} are left out: {counts}")
    if layout.within:
        shown = ", ".join(layout.within[:3]) + (", ..." if len(layout.within) > 3 else "")
        tell(
            f"{path}: {', '.join(list(layout.train)[:3])} are taken for classes, and all hold the same folders: {shown}"
        )
    train, test = layout.train, layout.test
    for missing in sorted(set(train) ^ set(test)):
        where, there = ("train", test) if missing in test else ("test", train)
        alike = [word for word in (train if there is test else test) if word.casefold() == missing.casefold()]
        fix = f"its name is {alike[0]!r} there: write both alike" if alike else None
        raise UserError(f"the class {missing!r} has no {where} images", where=str(path), fix=fix)

    def images(by_class: dict[str, list[str]]) -> Images:
        files = [file for word in train for file in by_class[word]]
        labels = [label for label, word in enumerate(train) for _ in by_class[word]]
        return resident(source, files, labels, tuple(train), name, image_size, cache)

    return DataSet(name, train=images(train), test=images(test))


class Layout(NamedTuple):
    """Training and test files by class.

    Attributes:
        train: Files of every class by its name, in the order of the class ids.
        test: The same of the test part.
        parts: Folders of the two parts as a message names them, empty if there are none.
        aside: Numbers of images in folders beside the parts.
        within: Folders that lie within every class alike.
    """

    train: dict[str, list[str]]
    test: dict[str, list[str]]
    parts: str = ""
    aside: Mapping[str, int] = MappingProxyType({})
    within: tuple[str, ...] = ()


def split(files: Sequence[str]) -> Layout:
    """Training and test files by class, from their paths alone; see the head of this file.

    Raises:
        UserError: An image lies in no folder of a class, two folders have one name, or the parts cannot be told.
    """
    parts = {file: tuple(file.split("/")) for file in files}
    while len({path[0] for path in parts.values()}) == 1 and all(len(path) > 2 for path in parts.values()):
        parts = {file: path[1:] for file, path in parts.items()}
    found = find_parts(list(parts.values()))
    if found is None:
        return Layout(*_set_aside(_by_class(parts)), within=same_within(list(parts.values())))
    below = [{f: p[1:] for f, p in parts.items() if p[0] == top and len(p) > 1} for top in (found.train, found.test)]
    tops = Counter(path[0] if len(path) > 1 else "." for path in parts.values())
    aside = {top: count for top, count in sorted(tops.items()) if top not in (found.train, found.test)}
    return Layout(_by_class(below[0]), _by_class(below[1]), f"{found.train}/ and {found.test}/", aside)


def _by_class(parts: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    folders: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for file, path in sorted(parts.items()):
        if len(path) < 2:
            raise UserError(f"this image lies in no folder of a class: {file}", fix=LAYOUT)
        word = class_name(path[0])
        if not word:
            raise UserError(f"the name of this folder names no class: {path[0]!r}", fix="rename the folder")
        if (other := folders.setdefault(word, path[0])) != path[0]:
            what = f"the folders {other!a} and {path[0]!a} would be two classes of one name, {word!r}"
            raise UserError(what, fix="join the two, or rename one")
        groups.setdefault(word, []).append(file)
    return {word: groups[word] for word in sorted(groups, key=lambda word: folders[word])}


def _set_aside(by_class: dict[str, list[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    train: dict[str, list[str]] = {}
    test: dict[str, list[str]] = {}
    for word, files in by_class.items():
        if len(files) < 2:
            raise UserError(f"the class {word!r} has one image: too few for training and test")
        count = max(1, round(TEST_SHARE * len(files)))
        chosen = set(torch.randperm(len(files), generator=generator)[:count].tolist())
        test[word] = [file for i, file in enumerate(files) if i in chosen]
        train[word] = [file for i, file in enumerate(files) if i not in chosen]
    return train, test
