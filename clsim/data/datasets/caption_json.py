"""The two JSON formats in which image-caption sets are published: Karpathy's splits, and COCO's own."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from clsim.data.io.resident import Told
from clsim.utils.errors import UserError


def read_karpathy(path: Path, *splits: Collection[str]) -> tuple[Told, ...]:
    """The images of each group of splits, by their paths (``filepath/filename``), with their captions.

    Args:
        path: of the file: ``images`` with ``filename``, ``split``, ``sentences`` of ``raw``, perhaps ``filepath``.
        splits: for every result, the names of the splits that it joins.

    Raises:
        UserError: the file is no such JSON, an image has no caption, or there is no image in the splits.
    """
    parts: tuple[Told, ...] = tuple({} for _ in splits)
    for position, image in enumerate(_list(_read(path), "images", path)):
        try:
            file = "/".join(filter(None, (image.get("filepath"), image["filename"])))
            split, told = str(image["split"]), _spoken(sentence["raw"] for sentence in image["sentences"])
        except (KeyError, TypeError, AttributeError) as error:
            raise _malformed(f"images[{position}]", error, path) from None
        for part, names in zip(parts, splits, strict=True):
            if split in names:
                part[file] = told
    for part, names in zip(parts, splits, strict=True):
        _check(part, path, f"of the split {' or '.join(names)}")
    return parts


def read_annotations(path: Path, folder: str) -> Told:
    """The images of one of COCO's own files, by their paths ``folder/file_name``, with their captions.

    Raises:
        UserError: the file is no such JSON, or an image has no caption.
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
        told = {file: _spoken(captions.get(number, ())) for number, file in files.items()}
    except AttributeError as error:
        raise _malformed("a caption", error, path) from None
    return _check(told, path, "in it")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}"
        raise UserError(f"this is no whole JSON file ({error.msg})", where=where, fix="get the file again") from None
    except UnicodeDecodeError as error:
        raise UserError(f"this is no text in UTF-8 ({error})", where=str(path), fix="get the file again") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        raise UserError(f"this JSON cannot be read ({error})", where=str(path), fix="get the file again") from None


def _list(content: Any, key: str, path: Path) -> list[Any]:
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise UserError(f"this file has no list {key!r}", where=str(path), fix="get the published file")
    return found


def _spoken(captions: Any) -> tuple[str, ...]:
    """Without the ends of lines that some carry, and without those that say nothing."""
    return tuple(text for caption in captions if (text := caption.strip()))


def _check(told: Told, path: Path, which: str) -> Told:
    if not told:
        raise UserError(f"there is no image {which}", where=str(path), fix="get the published file")
    if silent := [file for file, captions in told.items() if not captions]:
        what = f"{len(silent)} images have no caption, the first is {silent[0]}"
        raise UserError(what, where=str(path), fix="get the published file")
    return told


def _malformed(place: str, error: Exception, path: Path) -> UserError:
    what = f"{place} lacks {error}" if isinstance(error, KeyError) else f"{place} is not as it should be ({error})"
    return UserError(what, where=str(path), fix="get the published file")
