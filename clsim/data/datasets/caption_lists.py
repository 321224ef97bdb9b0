"""Captions in a text file, with a list of images for each part, as published for Flickr8k and Flickr30k."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from clsim.data.io.load import Captions
from clsim.utils.errors import UserError


def read_captions(path: Path, line: re.Pattern[str], meaning: str) -> Captions:
    """Return the captions of every image, by its name.

    Args:
        path: Text file.
        line: Pattern of a line, with the groups ``image`` and ``caption``.
        meaning: Description of a line in messages, for instance ``file, number, caption``.

    Raises:
        UserError: A line does not match, or the file is not text.
    """
    captions: dict[str, list[str]] = {}
    for number, text in _lines(path):
        match = line.fullmatch(text)
        if match is None:
            raise UserError(f"expected a line of {meaning}", where=f"{path}:{number}", fix="correct or remove the line")
        captions.setdefault(match["image"], []).append(match["caption"])
    return {image: tuple(texts) for image, texts in captions.items()}


def read_part(path: Path, captions: Captions) -> Captions:
    """Return the captions of the images in a list, one name per line; ``.jpg`` may be omitted.

    Raises:
        UserError: An image has no caption, or the list is empty.
    """
    part: Captions = {}
    for number, name in _lines(path):
        image = name if name in captions else f"{name}.jpg"
        if image not in captions:
            raise UserError(f"{name} has no caption", where=f"{path}:{number}", fix="add captions or remove the line")
        part[image] = captions[image]
    if not part:
        raise UserError("this list is empty", where=str(path), fix="write one image name per line")
    return part


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"this file is not UTF-8 text ({error})", where=str(path)) from None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.strip()
