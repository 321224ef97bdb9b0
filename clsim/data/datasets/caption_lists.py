"""Captions in a text file, and a list of the images of each part: how Flickr8k and Flickr30k come."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from clsim.data.io.resident import Told
from clsim.utils.errors import UserError


def read_captions(path: Path, line: re.Pattern[str], meaning: str) -> Told:
    """The captions of every image, by its name.

    Args:
        path: of the file.
        line: what every line matches, with the groups ``image`` and ``caption``.
        meaning: the same for people, for instance ``file, number, caption``.

    Raises:
        UserError: a line is another, or the file is no text.
    """
    told: dict[str, list[str]] = {}
    for number, text in _lines(path):
        match = line.fullmatch(text)
        if match is None:
            raise UserError(f"this line is not: {meaning}", where=f"{path}:{number}", fix="mend or remove the line")
        told.setdefault(match["image"], []).append(match["caption"])
    return {image: tuple(captions) for image, captions in told.items()}


def read_part(path: Path, told: Told) -> Told:
    """The images that a list names, one a line, with their captions; ``.jpg`` may be left out.

    Raises:
        UserError: an image has no caption, or the list names none.
    """
    part: Told = {}
    for number, name in _lines(path):
        image = name if name in told else f"{name}.jpg"
        if image not in told:
            raise UserError(f"{name} has no caption", where=f"{path}:{number}", fix="add captions, or remove the line")
        part[image] = told[image]
    if not part:
        raise UserError("this list names no image", where=str(path), fix="write the name of one image a line")
    return part


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"this is no text in UTF-8 ({error})", where=str(path)) from None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.strip()
