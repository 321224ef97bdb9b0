"""Table of images and captions as a data set: ``captions:PATH``, a TSV or CSV file.

The columns are ``image``, ``caption`` and optionally ``split`` (train or test), named in the first line. Without that
line they are image and caption. Images are paths below the folder of the file; an image may have several rows. Without
a column ``split``, a fifth of the images is the test part, chosen by a hash of the name: a new image moves no other.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from clsim.data.core.captioned import CaptionDataSet
from clsim.data.io.load import Captions, load_captioned_images
from clsim.data.io.sources import ListedFiles
from clsim.utils.errors import UserError

COLUMNS = ("image", "caption", "split")
TEST_ONE_IN = 5
"""One image in this many is a test image."""

Part = Literal["train", "test"]


class Row(NamedTuple):
    """Row of the table.

    Attributes:
        where: Position as ``file:line``.
        image: Path of the image.
        caption: One caption.
        part: Part of the split; None without a column ``split``.
    """

    where: str
    image: str
    caption: str
    part: Part | None


def load(path: Path, image_size: int | None, cache: Sequence[Path], name: str | None = None) -> CaptionDataSet:
    """Load a table of images and captions.

    Args:
        path: TSV or CSV file.
        image_size: Side of the images in pixels; None keeps the size of the files.
        cache: Folders of the cache.
        name: Name of the data set; ``captions:PATH`` by default.

    Raises:
        UserError: The file is missing, a row is invalid, an image is missing or damaged, or a part is empty.
            Without ``image_size``, also if the images differ in size.
    """
    name = name or f"captions:{path}"
    rows = list(read_rows(path))
    if not rows:
        raise UserError("this file has no rows", where=str(path), fix="write one image and one caption per row")
    source = ListedFiles(path.parent, {row.image for row in rows})
    for row in rows:
        if row.image not in source.stamps:
            fix = "images are paths below the folder of this file; add the image or remove the row"
            raise UserError(f"image {row.image} was not found", where=row.where, fix=fix)
    train, test = split(rows)
    for part, captions in (("train", train), ("test", test)):
        if not captions:
            fix = "add a column `split` with train or test for every image"
            raise UserError(f"there are no {part} images", where=str(path), fix=fix)
    first, second = (load_captioned_images(source, captions, name, image_size, cache) for captions in (train, test))
    if first.pixels.shape[-1] != second.pixels.shape[-1]:
        sides = f"{first.pixels.shape[-1]} and {second.pixels.shape[-1]}"
        fix = "give `image_size` to resample all images to one size"
        raise UserError(f"training and test images have different sides, {sides} pixels", where=str(path), fix=fix)
    return CaptionDataSet(name, first, second)


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a table, each checked; blank lines are skipped.

    Raises:
        UserError: The file is missing or is not text, or a row is invalid.
    """
    if not path.is_file():
        raise UserError("no such file", where=str(path), fix="give a TSV or CSV file of images and captions")
    columns: Sequence[str] = ()
    for number, row in _cells(path):
        where = f"{path}:{number}"
        if not columns:
            if columns := _header(row, where):
                continue
            columns = COLUMNS[:2]
        if len(row) != len(columns):
            fix = f"the columns are {', '.join(columns)}; quote a cell that contains the separator"
            raise UserError(f"expected {len(columns)} columns, got {len(row)}", where=where, fix=fix)
        cells = dict(zip(columns, row, strict=True))
        yield Row(where, _image(cells["image"], where), _caption(cells["caption"], where), _part(cells, where))


def split(rows: Sequence[Row]) -> tuple[Captions, Captions]:
    """Return the captions of the training and of the test images.

    Raises:
        UserError: An image is in both parts.
    """
    parts: dict[str, Part] = {}
    captions: dict[str, list[str]] = {}
    for row in rows:
        part = row.part or _part_by_hash(row.image)
        if parts.setdefault(row.image, part) != part:
            what = f"{row.image} is in {part} here but in {parts[row.image]} above"
            raise UserError(what, where=row.where, fix="give all rows of an image the same split")
        captions.setdefault(row.image, []).append(row.caption)
    train, test = ({i: tuple(texts) for i, texts in captions.items() if parts[i] == part} for part in ("train", "test"))
    return train, test


def _part_by_hash(image: str) -> Part:
    number = int.from_bytes(hashlib.sha256(image.encode()).digest()[:8], "big")
    return "train" if number % TEST_ONE_IN else "test"


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the stripped cells of every line that is not blank."""
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
                    raise csv.Error("it continues on the next line")
                last = reader.line_num
                cells = [cell.strip() for cell in row]
                if any(cells):
                    yield last, cells
        except csv.Error as error:
            fix = 'close a quoted cell with a double quote and double the quotes inside: "a ""big"" dog"'
            raise UserError(f"this row cannot be read ({error})", where=f"{path}:{last + 1}", fix=fix) from None
        except UnicodeDecodeError as error:
            raise UserError(f"this file is not UTF-8 text ({error})", where=str(path), fix="save it as UTF-8") from None


def _header(row: list[str], where: str) -> list[str]:
    """Return the column names if the first line holds them, else an empty list."""
    names = [cell.lower() for cell in row]
    if not {"image", "caption"} & set(names):
        return []
    if len(set(names)) < len(names) or not {"image", "caption"} <= set(names) <= set(COLUMNS):
        fix = "they must be image, caption and optionally split"
        raise UserError(f"the columns are {', '.join(names)}", where=where, fix=fix)
    return names


def _image(cell: str, where: str) -> str:
    path = PurePosixPath(cell)
    if not path.parts:
        raise UserError("this row has no image", where=where, fix="add the path of the image or remove the row")
    if path.is_absolute() or ".." in path.parts or "\\" in cell:
        fix = "write a path below the folder of this file, with / as separator"
        raise UserError(f"this path leads outside of the folder: {cell}", where=where, fix=fix)
    return path.as_posix()


def _caption(cell: str, where: str) -> str:
    if not cell:
        raise UserError("this caption is empty", where=where, fix="add a caption or remove the row")
    return cell


def _part(cells: dict[str, str], where: str) -> Part | None:
    if "split" not in cells:
        return None
    parts: dict[str, Part] = {"train": "train", "test": "test"}
    if cells["split"].lower() not in parts:
        raise UserError(f"unknown split {cells['split']!r}", where=where, fix="write train or test")
    return parts[cells["split"].lower()]
