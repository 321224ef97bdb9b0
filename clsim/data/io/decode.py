"""Decode many image files at once into one uint8 array."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from itertools import chain
from os import cpu_count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clsim.data.io.convert import Pixels, Traits, upright_rgb
from clsim.data.io.names import FORMATS
from clsim.utils.errors import UserError, UserErrors

CHUNK = 64
"""Images a task: a task for every small image would cost more than decoding it."""
CHUNK_BYTES = 16 * 2**20
HELD_BYTES = 256 * 2**20
"""Content of an archive that waits to be decoded, at most: what comes next is read when there is room."""
MAX_PIXELS = 100_000_000
"""A larger image is a mistake or an attack: a file of some kilobytes can ask for all the memory there is."""
MAX_ASPECT = 8
"""Longest image, in short sides, that is resized whole before its centre is cut out."""
SHOWN = 10
"""Unreadable files named in one message."""


class Decoded(NamedTuple):
    """Decoded images, and what their files were like.

    Attributes:
        pixels: uint8 ``[N, 3, side, side]``, RGB.
        traits: int32 ``[N, fields of Traits]``.
    """

    pixels: Pixels
    traits: NDArray[np.int32]


class Encoded(NamedTuple):
    """An image file: its position in the result, its name for messages, and its path, or what is in it."""

    position: int
    name: str
    content: str | bytes


def decode(files: Iterable[Encoded], count: int, size: int | None) -> Decoded:
    """Decode ``count`` images to RGB ``[count, 3, size, size]``, PIL in a pool of threads.

    The short side of each is resized to ``size`` (bicubic, antialiased) and the centre cut out, to the pixel as
    torchvision's ``Resize`` and ``CenterCrop`` do. With ``size`` None, every image must be a square of the size of
    the first.

    Raises:
        UserError: files that are not whole images, or not of one size; the first ten are named.
    """
    stream = iter(files)
    first = next(stream)
    exact = size is None
    side = _side(first) if size is None else size
    pixels = np.empty((count, 3, side, side), np.uint8)
    decoded = Decoded(pixels, np.zeros((count, len(Traits._fields)), np.int32))
    problems: list[UserError] = []

    def work(chunk: list[Encoded]) -> list[UserError]:
        return [problem for file in chunk if (problem := _decode_into(decoded, file, side, exact))]

    workers = cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        running: deque[tuple[Future[list[UserError]], int]] = deque()
        held = 0
        for chunk, size in _chunks(chain([first], stream)):
            running.append((pool.submit(work, chunk), size))
            held += size
            while len(running) > 4 * workers or held > HELD_BYTES:  # an archive is read no faster than it is decoded
                future, size = running.popleft()
                problems += future.result()
                held -= size
        problems += chain.from_iterable(future.result() for future, _ in running)
    if problems:
        raise problems[0] if len(problems) == 1 else UserErrors(problems[:SHOWN])
    return decoded


def _decode_into(decoded: Decoded, file: Encoded, side: int, exact: bool) -> UserError | None:
    try:
        with _open(file) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
            rgb, traits = upright_rgb(image)
            if rgb.size != (side, side):
                if exact:
                    return UserError(
                        f"this image has {rgb.width} x {rgb.height} pixels, the first {side} x {side}",
                        where=file.name,
                        fix="give `image_size` to resample all images to one size",
                    )
                rgb = _square(rgb, side)
            decoded.pixels[file.position] = _channels_first(rgb)
            decoded.traits[file.position] = traits
    except MemoryError:
        raise
    except UserError as error:
        return UserError(error.what, where=file.name, fix=error.fix)
    except Exception as error:  # the decoders of PIL raise whatever their parsing failed with
        return _unreadable(file, error)
    return None


def _square(image: Image.Image, side: int) -> Image.Image:
    """The centre of the image with its short side resized."""
    width, height = image.size
    short = min(width, height)
    resized = (side * width // short, side * height // short)
    # Halves are rounded to even, as torchvision does.
    left, top = (round((length - side) / 2) for length in resized)
    if max(resized) <= MAX_ASPECT * side:
        whole = image.resize(resized, Image.Resampling.BICUBIC)
        return whole.crop((left, top, left + side, top + side))
    # The ends of a long strip would fill the memory: only the window is computed, to the same values but for rounding.
    across, down = width / resized[0], height / resized[1]
    right, bottom = min(width, (left + side) * across), min(height, (top + side) * down)
    return image.resize((side, side), Image.Resampling.BICUBIC, box=(left * across, top * down, right, bottom))


def _channels_first(image: Image.Image) -> Pixels:
    pixels: Pixels = np.asarray(image).transpose(2, 0, 1)
    return pixels


def _side(file: Encoded) -> int:
    try:
        with _open(file) as image:
            width, height = int(image.width), int(image.height)
    except Exception as error:
        raise _unreadable(file, error) from None
    if width != height:
        raise UserError(
            f"this image is not square ({width} x {height} pixels)",
            where=file.name,
            fix="give `image_size` to cut and resample all images to one size",
        )
    return width


def _open(file: Encoded) -> Image.Image:
    return Image.open(BytesIO(file.content) if isinstance(file.content, bytes) else file.content, formats=FORMATS)


def _unreadable(file: Encoded, error: Exception) -> UserError:
    return UserError(f"this is not a whole image ({error})", where=file.name, fix="replace the file, or remove it")


def _chunks(files: Iterable[Encoded]) -> Iterator[tuple[list[Encoded], int]]:
    """Files for one task each, with the bytes they hold: few of them where they are large."""
    chunk: list[Encoded] = []
    size = 0
    for file in files:
        chunk.append(file)
        size += len(file.content) if isinstance(file.content, bytes) else 0
        if len(chunk) == CHUNK or size >= CHUNK_BYTES:
            yield chunk, size
            chunk, size = [], 0
    if chunk:
        yield chunk, size
