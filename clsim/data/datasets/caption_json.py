"""The two JSON formats of published caption data sets: Karpathy's splits and COCO's annotations."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from clsim.data.io.load import Captions
from clsim.utils.errors import UserError

AGAIN, PUBLISHED = "download the file again", "download the published file"


def read_karpathy(path: Path, *splits: Collection[str]) -> tuple[Captions, ...]:
    """Return the captions of the images of each group of splits, by path (``filepath/filename``).

    Args:
        path: JSON file with ``images``, each with ``filename``, ``split``, ``sentences`` with ``raw``, and optionally
            ``filepath``.
        splits: Names of the splits that each result joins.

    Raises:
        UserError: The file has another form, an image has no caption, or a group has no images.
    """
    parts: tuple[Captions, ...] = tuple({} for _ in splits)
    for position, image in enumerate(_list(_read(path), "images", path)):
        try:
            file = "/".join(filter(None, (image.get("filepath"), image["filename"])))
            split, found = str(image["split"]), _without_blanks(sentence["raw"] for sentence in image["sentences"])
        except (KeyError, TypeError, AttributeError) as error:
            raise _malformed(f"images[{position}]", error, path) from None
        for part, names in zip(parts, splits, strict=True):
            if split in names:
                part[file] = found
    for part, names in zip(parts, splits, strict=True):
        _check(part, path, f"in split {' or '.join(names)}")
    return parts


def read_annotations(path: Path, folder: str) -> Captions:
    """Return the captions of the images of a COCO annotation file, by path ``folder/file_name``.

    Raises:
        UserError: The file has another form, or an image has no caption.
    """
    content = _read(path)
    files: dict[int, str] = {}
    captions: dict[int, list[str]] = {}
    for position, image in enumerate(_list(content, "images", path)):
        try:
            files[image["id"]] = f"{folder}/{image['file_name']}"
        except (KeyError, TypeError) as error:
            raise _malformed(f"images[{position}]", error, path) from None
    for position, annotation in enumerate(_list(content, "annotations", path)):
        try:
            captions.setdefault(annotation["image_id"], []).append(annotation["caption"])
            files[annotation["image_id"]]
        except (KeyError, TypeError) as error:
            raise _malformed(f"annotations[{position}]", error, path) from None
    try:
        found = {file: _without_blanks(captions.get(number, ())) for number, file in files.items()}
    except AttributeError as error:
        raise _malformed("a caption", error, path) from None
    return _check(found, path, "in this file")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}"
        raise UserError(f"this JSON file is damaged ({error.msg})", where=where, fix=AGAIN) from None
    except UnicodeDecodeError as error:
        raise UserError(f"this file is not UTF-8 text ({error})", where=str(path), fix=AGAIN) from None
    except (ValueError, RecursionError) as error:  # a huge number, or too many brackets
        raise UserError(f"this JSON file cannot be read ({error})", where=str(path), fix=AGAIN) from None


def _list(content: Any, key: str, path: Path) -> list[Any]:
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise UserError(f"this file has no list {key!r}", where=str(path), fix=PUBLISHED)
    return found


def _without_blanks(captions: Any) -> tuple[str, ...]:
    """Strip captions of line ends and drop empty ones."""
    return tuple(text for caption in captions if (text := caption.strip()))


def _check(found: Captions, path: Path, which: str) -> Captions:
    if not found:
        raise UserError(f"there are no images {which}", where=str(path), fix=PUBLISHED)
    if without := [file for file, captions in found.items() if not captions]:
        what = f"{len(without)} images have no caption; the first is {without[0]}"
        raise UserError(what, where=str(path), fix=PUBLISHED)
    return found


def _malformed(place: str, error: Exception, path: Path) -> UserError:
    what = f"{place} lacks {error}" if isinstance(error, KeyError) else f"{place} has an unexpected form ({error})"
    return UserError(what, where=str(path), fix=PUBLISHED)
