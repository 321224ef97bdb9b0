"""Pixels, labels, captions and positions that were given in Python: checked, and brought into one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clsim.utils.errors import ArgumentError
from clsim.utils.text import describe

WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def checked_pixels(pixels: Any, where: str) -> Tensor:
    """Return uint8 pixels ``[N, 3, H, W]``; an array of numpy is not copied.

    Raises:
        ArgumentError: It is something else.
    """
    tensor = torch.from_numpy(pixels) if isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 else pixels
    if not isinstance(tensor, Tensor):
        found = f"{pixels.dtype} {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else describe(pixels)
        fix = _fix_of_type(str(pixels.dtype)) if isinstance(pixels, np.ndarray) else None
        raise ArgumentError(f"pixels must be uint8 [N, 3, H, W], not {found}", where=where, fix=fix)
    if tensor.dtype != torch.uint8 or tensor.ndim != 4 or tensor.shape[1] != 3 or 0 in tensor.shape[2:]:
        fix = _fix_of_type(str(tensor.dtype)) if tensor.dtype != torch.uint8 else None
        if fix is None and tensor.ndim == 4 and tensor.shape[-1] == 3:
            fix = "the channels come last here: pixels.permute(0, 3, 1, 2)"
        found = f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
        raise ArgumentError(f"pixels must be uint8 [N, 3, H, W], not {found}", where=where, fix=fix)
    return tensor


def checked_labels(labels: Any, count: int, classes: int, device: torch.device, where: str) -> Tensor:
    """Return int64 labels ``[count]`` on ``device``, all of them positions in a list of ``classes`` names.

    Args:
        labels: Whole numbers of Python, numpy or torch.
        count: Number of images.
        classes: Number of classes.
        device: Device of the pixels.
        where: Place that a message names.

    Raises:
        ArgumentError: They are no whole numbers, not one for each image, or out of range.
    """
    whole = _whole_numbers(labels, f"labels must be int64 [{count}]", where)
    if whole.ndim != 1 or len(whole) != count:
        fix = "of one-hot rows, give their argmax(1)" if whole.ndim == 2 and len(whole) == count else None
        raise ArgumentError(f"labels must be int64 [{count}], not {list(whole.shape)}", where=where, fix=fix)
    if count and not (int(whole.min()) >= 0 and int(whole.max()) < classes):
        wrong = int(((whole < 0) | (whole >= classes)).nonzero()[0])
        what = f"the label of image {wrong} is {int(whole[wrong])}, where {classes} classes have 0 to {classes - 1}"
        raise ArgumentError(what, where=where, fix="labels are positions in class_names")
    return whole.to(device)


def checked_positions(indices: Any, count: int) -> Tensor:
    """Return int64 positions on the CPU, all from 0 to ``count - 1``.

    Raises:
        ArgumentError: They are no whole numbers, a mask, or out of range.
    """
    if isinstance(indices, Sequence) and not len(indices):
        return torch.empty(0, dtype=torch.int64)
    whole = _whole_numbers(indices, "indices must be whole numbers", "subset").cpu()
    if whole.ndim != 1:
        raise ArgumentError(f"indices must be a list, not of the shape {list(whole.shape)}", where="subset")
    if len(whole) and not (int(whole.min()) >= 0 and int(whole.max()) < count):
        outside = int(whole.min()) if int(whole.min()) < 0 else int(whole.max())
        raise ArgumentError(f"there is no image {outside} among {count}", where="subset")
    return whole


def checked_names(names: Any, where: str) -> tuple[str, ...]:
    """Return a tuple of texts.

    Raises:
        ArgumentError: It is a single text, or holds something else.
    """
    if isinstance(names, (str, bytes)) or not isinstance(names, (Sequence, np.ndarray)):
        raise ArgumentError(f"expected a list of texts, got {describe(names)}", where=where)
    for number, name in enumerate(names):
        if not isinstance(name, str):
            raise ArgumentError(f"expected a text, got {describe(name)}", where=f"{where}.{number}")
    return tuple(map(str, names))


def checked_text(text: Any, where: str) -> str:
    """Return the text.

    Raises:
        ArgumentError: It is none, or empty.
    """
    if not isinstance(text, str) or not text:
        raise ArgumentError(f"expected a text, got {describe(text)}", where=where)
    return text


def check_parts(train: Any, test: Any, kind: type, name: str) -> None:
    """Check that both parts of a data set are images of one kind and size; one of them may be empty.

    Raises:
        ArgumentError: They are not.
    """
    for part, images in (("train", train), ("test", test)):
        if not isinstance(images, kind):
            raise ArgumentError(f"{part} must be {kind.__name__}, got {describe(images)}", where=name)
    sizes = [list(part.pixels.shape[2:]) for part in (train, test) if len(part)]
    if len(sizes) == 2 and sizes[0] != sizes[1]:
        what = f"training and test images have {sizes[0]} and {sizes[1]} pixels"
        raise ArgumentError(what, where=name, fix="give `image_size` to resample all images to one size")


def _whole_numbers(given: Any, wanted: str, where: str) -> Tensor:
    try:
        tensor = given if isinstance(given, Tensor) else torch.from_numpy(_as_array(given))
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise ArgumentError(f"{wanted}, not {describe(given)}", where=where) from None
    if tensor.dtype not in WHOLE and tensor.numel():
        fix = None
        if tensor.dtype == torch.bool:
            fix = "of a mask, give mask.nonzero().flatten()"
        kind = str(tensor.dtype).removeprefix("torch.")
        raise ArgumentError(f"{wanted}, not {kind} {list(tensor.shape)}", where=where, fix=fix)
    return tensor.to(torch.int64)


def _as_array(given: Any) -> np.ndarray[Any, Any]:
    """An array of a type that torch has, copied where numpy would not let it be written."""
    if not isinstance(given, np.ndarray):
        given = [int(each) if isinstance(each, Tensor) and each.dtype in WHOLE else each for each in given]
    array = np.asarray(given)
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        return array.astype(np.int64)
    return array.copy() if not array.flags.writeable else array


def _fix_of_type(dtype: str) -> str | None:
    if "float" in dtype:
        return "of floats from 0 to 1, give (pixels * 255).round().to(torch.uint8)"
    return "scale them to 0..255 and convert to uint8"
