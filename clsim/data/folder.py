"""Any folder of images, or a .tar or .zip of one, as a data set: ``folder:PATH``.

The first folder below ``train/`` and ``test/`` (or ``val/``, ``valid/``, ``validation/``) is the class of an
image; deeper ones do not matter. Without these two, the first folder is the class, and a fifth of every class
(at least one image) is set aside as test images by a draw with a fixed seed: the same files, the same split.
A single folder around all the others is looked through. Class ids follow the sorted folder names; ``_`` in a
name becomes a space.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch

from clsim.data.images import DataSet, Images
from clsim.data.resident import resident
from clsim.data.sources import open_source
from clsim.errors import UserError

TEST_NAMES = ("test", "val", "valid", "validation")
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
    train, test = split(list(source.stamps))
    for missing in sorted(set(train) ^ set(test)):
        where = "train" if missing in test else "test"
        raise UserError(f"the class {missing!r} has no {where} images", where=str(path))
    classes = sorted(train)
    class_names = tuple(word.replace("_", " ") for word in classes)

    def images(by_class: dict[str, list[str]]) -> Images:
        files = [file for word in classes for file in by_class[word]]
        labels = [label for label, word in enumerate(classes) for _ in by_class[word]]
        return resident(source, files, labels, class_names, name, image_size, cache)

    return DataSet(name, train=images(train), test=images(test))


def split(files: Sequence[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Training and test files by class, from their paths alone; see the head of this file."""
    parts = {file: PurePosixPath(file).parts for file in files}
    while len({path[0] for path in parts.values()}) == 1 and all(len(path) > 2 for path in parts.values()):
        parts = {file: path[1:] for file, path in parts.items()}
    tops = {path[0] for path in parts.values()}
    test_name = next((word for word in TEST_NAMES if word in tops), None)
    if "train" in tops and test_name:
        below = [{f: p[1:] for f, p in parts.items() if p[0] == top} for top in ("train", test_name)]
        return _by_class(below[0]), _by_class(below[1])
    return _set_aside(_by_class(parts))


def _by_class(parts: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for file, path in sorted(parts.items()):
        if len(path) < 2:
            raise UserError(
                f"this image lies in no folder of a class: {file}",
                fix="the layout is CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE",
            )
        groups.setdefault(path[0], []).append(file)
    return groups


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
