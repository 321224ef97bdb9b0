"""Decoding of many image files into one uint8 array."""

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
from clsim.data.io.filenames import FORMATS
from clsim.utils.errors import UserError, UserErrors

CHUNK = 64
"""Images per task; one task per small image would cost more than decoding it."""
MAX_CHUNK_BYTES = 16 * 2**20
MAX_QUEUED_BYTES = 256 * 2**20
"""Limit of archive content waiting to be decoded; reading pauses above it."""
MAX_PIXELS = 100_000_000
"""Largest image in pixels; a larger one is a mistake or an attack, since a small file can claim all memory."""
MAX_ASPECT = 8
"""Largest aspect ratio of an image that is resized whole before its center is cropped."""
SHOWN = 10
"""Number of unreadable files named in a message."""


class Decoded(NamedTuple):
    """Decoded images and the traits of their files.

    Attributes:
        pixels: RGB images, uint8 ``[N, 3, side, side]``.
        traits: Traits of the files, int32 ``[N, fields of Traits]``.
    """

    pixels: Pixels
    traits: NDArray[np.int32]


class Encoded(NamedTuple):
    """Image file to decode.

    Attributes:
        position: Index of the image in the result.
        name: Name in messages.
        content: Path of the file, or its bytes.
    """

    position: int
    name: str
    content: str | bytes


def decode(files: Iterable[Encoded], count: int, size: int | None) -> Decoded:
    """Decode image files to RGB in a pool of threads.

    The shorter side is resized to ``size`` (bicubic, antialiased) and the center is cropped, pixel for pixel as
    torchvision's ``Resize`` and ``CenterCrop`` do.

    Args:
        files: Files to decode, at least one.
        count: Number of files.
        size: Side of the result in pixels. None keeps the size, and all images must be squares of one size.

    Raises:
        UserError: Files are damaged or differ in size; the message names the first ten.
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
        queued = 0
        for chunk, size in _chunks(chain([first], stream)):
            running.append((pool.submit(work, chunk), size))
            queued += size
            # Read an archive no faster than it is decoded.
            while len(running) > 4 * workers or queued > MAX_QUEUED_BYTES:
                future, size = running.popleft()
                problems += future.result()
                queued -= size
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
                        f"this image has {rgb.width} x {rgb.height} pixels, but the first has {side} x {side}",
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
    except Exception as error:  # PIL's decoders raise many types
        return _unreadable(file, error)
    return None


def _square(image: Image.Image, side: int) -> Image.Image:
    """Resize the shorter side and crop the center."""
    width, height = image.size
    short = min(width, height)
    resized = (side * width // short, side * height // short)
    # Python rounds halves to even, as torchvision does.
    left, top = (round((length - side) / 2) for length in resized)
    if max(resized) <= MAX_ASPECT * side:
        whole = image.resize(resized, Image.Resampling.BICUBIC)
        return whole.crop((left, top, left + side, top + side))
    # A long strip would fill the memory. Compute the crop alone, equal up to rounding.
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
    return UserError(f"this image cannot be decoded ({error})", where=file.name, fix="replace or remove the file")


def _chunks(files: Iterable[Encoded]) -> Iterator[tuple[list[Encoded], int]]:
    """Group files into tasks, each with its size in bytes; a task of large files holds few."""
    chunk: list[Encoded] = []
    size = 0
    for file in files:
        chunk.append(file)
        size += len(file.content) if isinstance(file.content, bytes) else 0
        if len(chunk) == CHUNK or size >= MAX_CHUNK_BYTES:
            yield chunk, size
            chunk, size = [], 0
    if chunk:
        yield chunk, size
