"""Decode many image files at once into one uint8 array."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from itertools import chain, islice
from os import cpu_count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clsim.errors import UserError, UserErrors

Pixels = NDArray[np.uint8]
CHUNK = 64
"""Images a task: a task for every small image would cost more than decoding it."""
SHOWN = 10
"""Unreadable files named in one message."""


class Encoded(NamedTuple):
    """An image file: its position in the result, its name for messages, and its path, or what is in it."""

    position: int
    name: str
    content: str | bytes


def decode(files: Iterable[Encoded], count: int, size: int | None) -> Pixels:
    """Decode ``count`` images to RGB ``[count, 3, size, size]``, PIL in a pool of threads.

    The largest centred square of each is resampled (bicubic, antialiased) to ``size``: the short side is
    resized and the centre cut out. With ``size`` None, every image must be a square of the size of the first.

    Raises:
        UserError: files that are not whole images, or not of one size; the first ten are named.
    """
    stream = iter(files)
    first = next(stream)
    exact = size is None
    side = _side(first) if size is None else size
    pixels = np.empty((count, 3, side, side), np.uint8)
    problems: list[UserError] = []

    def work(chunk: list[Encoded]) -> list[UserError]:
        return [problem for file in chunk if (problem := _decode_into(pixels, file, side, exact))]

    workers = cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        running: deque[Future[list[UserError]]] = deque()
        for chunk in _chunks(chain([first], stream)):
            running.append(pool.submit(work, chunk))
            if len(running) > 4 * workers:  # an archive is read no faster than it is decoded
                problems += running.popleft().result()
        problems += chain.from_iterable(future.result() for future in running)
    if problems:
        raise problems[0] if len(problems) == 1 else UserErrors(problems[:SHOWN])
    return pixels


def _decode_into(pixels: Pixels, file: Encoded, side: int, exact: bool) -> UserError | None:
    try:
        with _open(file) as image:
            if image.size != (side, side):
                if exact:
                    return UserError(
                        f"this image has {image.width} x {image.height} pixels, the first {side} x {side}",
                        where=file.name,
                        fix="give `image_size` to resample all images to one size",
                    )
                pixels[file.position] = _channels_first(_square(_rgb(image), side))
            else:
                pixels[file.position] = _channels_first(_rgb(image))
    except MemoryError:
        raise
    except Exception as error:  # the decoders of PIL raise whatever their parsing failed with
        return _unreadable(file, error)
    return None


def _square(image: Image.Image, side: int) -> Image.Image:
    width, height = image.size
    short = min(width, height)
    left, top = (width - short) / 2, (height - short) / 2
    box = (left, top, left + short, top + short)
    return image.resize((side, side), Image.Resampling.BICUBIC, box=box)


def _rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


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
    return Image.open(BytesIO(file.content) if isinstance(file.content, bytes) else file.content)


def _unreadable(file: Encoded, error: Exception) -> UserError:
    return UserError(f"this is not a whole image ({error})", where=file.name, fix="replace the file, or remove it")


def _chunks(files: Iterable[Encoded]) -> Iterator[list[Encoded]]:
    stream = iter(files)
    while chunk := list(islice(stream, CHUNK)):
        yield chunk
