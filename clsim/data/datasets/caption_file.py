"""Any table of images and captions as a data set: ``captions:PATH``, a TSV or CSV file.

Its columns are ``image``, ``caption`` and perhaps ``split`` (train or test), named in the first line; without
such a line they are image and caption. Images are paths below the folder of the file; several rows of one image
are its captions. Without a column ``split``, a fifth of the images is the test part, chosen by a hash of the
name, so that a new image moves no other.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from clsim.data.core.captioned import CaptionDataSet
from clsim.data.io.resident import Told, resident_captions
from clsim.data.io.sources import Listed
from clsim.utils.errors import UserError

COLUMNS = ("image", "caption", "split")
TEST_OF = 5
"""One image in so many is a test image."""

Part = Literal["train", "test"]


class Row(NamedTuple):
    """A line of the table: where it is (``file:line``), the image, one caption, and the part if it is told."""

    where: str
    image: str
    caption: str
    part: Part | None


def load(path: Path, image_size: int | None, cache: Sequence[Path], name: str | None = None) -> CaptionDataSet:
    """Load the table at ``path`` as the data set ``name``, or ``captions:PATH``.

    Raises:
        UserError: there is no such file, a row is wrong, an image is missing or no whole image, or there is no
            training or no test image; without ``image_size``, also if the images differ in size.
    """
    name = name or f"captions:{path}"
    rows = list(read_rows(path))
    if not rows:
        raise UserError("this file has no row", where=str(path), fix="write an image and a caption in each")
    source = Listed(path.parent, {row.image for row in rows})
    for row in rows:
        if row.image not in source.stamps:
            fix = "images are paths below the folder of this file; add the image, or remove the row"
            raise UserError(f"there is no image {row.image}", where=row.where, fix=fix)
    train, test = split(rows)
    for part, told in (("train", train), ("test", test)):
        if not told:
            fix = "name the part of every image in a column `split`, train or test"
            raise UserError(f"there is no {part} image", where=str(path), fix=fix)
    first, second = (resident_captions(source, told, name, image_size, cache) for told in (train, test))
    if first.pixels.shape[-1] != second.pixels.shape[-1]:
        sides = f"{first.pixels.shape[-1]} and {second.pixels.shape[-1]}"
        fix = "give `image_size` to resample all images to one size"
        raise UserError(f"training and test images have {sides} pixels a side", where=str(path), fix=fix)
    return CaptionDataSet(name, first, second)


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a table, checked one by one; blank lines are left out.

    Raises:
        UserError: there is no such file, or it is no text, or a row is wrong.
    """
    if not path.is_file():
        raise UserError("there is no such file", where=str(path), fix="a TSV or CSV file of images and captions")
    columns: Sequence[str] = ()
    for number, row in _parsed(path):
        where = f"{path}:{number}"
        if not columns:
            if columns := _header(row, where):
                continue
            columns = COLUMNS[:2]
        if len(row) != len(columns):
            fix = f"the columns are {', '.join(columns)}; put a cell that holds the separator in double quotes"
            raise UserError(f"this row has {len(row)} columns, not {len(columns)}", where=where, fix=fix)
        cells = dict(zip(columns, row, strict=True))
        yield Row(where, _image(cells["image"], where), _caption(cells["caption"], where), _part(cells, where))


def split(rows: Sequence[Row]) -> tuple[Told, Told]:
    """Images with their captions, those to train on and those to test on; see the head of this file.

    Raises:
        UserError: an image is in both.
    """
    parts: dict[str, Part] = {}
    told: dict[str, list[str]] = {}
    for row in rows:
        part = row.part or _drawn(row.image)
        if parts.setdefault(row.image, part) != part:
            what = f"{row.image} is in {part} here and in {parts[row.image]} above"
            raise UserError(what, where=row.where, fix="give all rows of an image the same split")
        told.setdefault(row.image, []).append(row.caption)
    train, test = ({i: tuple(texts) for i, texts in told.items() if parts[i] == part} for part in ("train", "test"))
    return train, test


def _drawn(image: str) -> Part:
    number = int.from_bytes(hashlib.sha256(image.encode()).digest()[:8], "big")
    return "train" if number % TEST_OF else "test"


def _parsed(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells of every line that is not blank, without the space around them, with the number of the line."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        last = 0
        try:
            tabs = {".tsv": True, ".csv": False}.get(path.suffix.lower())
            if tabs is None:
                tabs = "\t" in file.readline()
                file.seek(0)
            reader = csv.reader(file, delimiter="\t" if tabs else ",", strict=True)
            for row in reader:
                if reader.line_num > last + 1:
                    raise csv.Error("it goes on in the next line")
                last = reader.line_num
                cells = [cell.strip() for cell in row]
                if any(cells):
                    yield last, cells
        except csv.Error as error:
            fix = 'a cell that begins with a double quote ends with one, and those within are doubled: "a ""big"" dog"'
            raise UserError(f"this row cannot be read ({error})", where=f"{path}:{last + 1}", fix=fix) from None
        except UnicodeDecodeError as error:
            raise UserError(f"this is no text in UTF-8 ({error})", where=str(path), fix="save it as UTF-8") from None


def _header(row: list[str], where: str) -> list[str]:
    """The names of the columns in a first line that holds them, else nothing."""
    names = [cell.lower() for cell in row]
    if not {"image", "caption"} & set(names):
        return []
    if len(set(names)) < len(names) or not {"image", "caption"} <= set(names) <= set(COLUMNS):
        fix = "they must be: image, caption and perhaps split"
        raise UserError(f"the columns are {', '.join(names)}", where=where, fix=fix)
    return names


def _image(cell: str, where: str) -> str:
    path = PurePosixPath(cell)
    if not path.parts:
        raise UserError("this row names no image", where=where, fix="write the path of the image, or remove the row")
    if path.is_absolute() or ".." in path.parts or "\\" in cell:
        fix = "write a path below the folder of this file, with / between its parts"
        raise UserError(f"this path leads out of the folder: {cell}", where=where, fix=fix)
    return path.as_posix()


def _caption(cell: str, where: str) -> str:
    if not cell:
        raise UserError("this caption is empty", where=where, fix="write one, or remove the row")
    return cell


def _part(cells: dict[str, str], where: str) -> Part | None:
    if "split" not in cells:
        return None
    parts: dict[str, Part] = {"train": "train", "test": "test"}
    if cells["split"].lower() not in parts:
        raise UserError(f"the split is {cells['split']!r}", where=where, fix="it must be train or test")
    return parts[cells["split"].lower()]
