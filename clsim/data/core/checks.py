"""Checks of pixels, labels, captions and indices given in Python, and their conversion to tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from clsim.utils.errors import ArgumentError
from clsim.utils.text import describe

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Checked = TypeVar("Checked", bound="DataclassInstance")

INTEGER_DTYPES = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def checked_pixels(pixels: Any, where: str) -> Tensor:
    """Return uint8 pixels ``[N, 3, H, W]``; numpy arrays are not copied.

    Raises:
        ArgumentError: The dtype or the shape is wrong.
    """
    tensor = torch.from_numpy(pixels) if isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 else pixels
    if not isinstance(tensor, Tensor):
        found = f"{pixels.dtype} {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else describe(pixels)
        fix = _fix_of_type(str(pixels.dtype)) if isinstance(pixels, np.ndarray) else None
        raise ArgumentError(f"pixels must be uint8 [N, 3, H, W], not {found}", where=where, fix=fix)
    if tensor.dtype != torch.uint8 or tensor.ndim != 4 or tensor.shape[1] != 3 or 0 in tensor.shape[2:]:
        fix = _fix_of_type(str(tensor.dtype)) if tensor.dtype != torch.uint8 else None
        if fix is None and tensor.ndim == 4 and tensor.shape[-1] == 3:
            fix = "the channels come last: give pixels.permute(0, 3, 1, 2)"
        found = f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
        raise ArgumentError(f"pixels must be uint8 [N, 3, H, W], not {found}", where=where, fix=fix)
    return tensor


def checked_labels(labels: Any, count: int, classes: int, device: torch.device, where: str) -> Tensor:
    """Return int64 labels ``[count]`` on ``device``.

    Args:
        labels: Integers of Python, numpy or torch.
        count: Number of images.
        classes: Number of classes.
        device: Device of the pixels.
        where: Place to name in the message.

    Raises:
        ArgumentError: The labels are not integers, not one per image, or out of range.
    """
    integers = _integers(labels, f"labels must be int64 [{count}]", where)
    if integers.ndim != 1 or len(integers) != count:
        fix = "convert one-hot labels with argmax(1)" if integers.ndim == 2 and len(integers) == count else None
        raise ArgumentError(f"labels must be int64 [{count}], not {list(integers.shape)}", where=where, fix=fix)
    if count and not (int(integers.min()) >= 0 and int(integers.max()) < classes):
        wrong = int(((integers < 0) | (integers >= classes)).nonzero()[0])
        what = f"the label of image {wrong} is {int(integers[wrong])}, not 0 to {classes - 1}"
        raise ArgumentError(what, where=where, fix="labels are indices into class_names")
    return integers.to(device)


def checked_positions(indices: Any, count: int) -> Tensor:
    """Return int64 indices from 0 to ``count - 1``, on the CPU.

    Raises:
        ArgumentError: The indices are not integers, are a mask, or are out of range.
    """
    if isinstance(indices, Sequence) and not len(indices):
        return torch.empty(0, dtype=torch.int64)
    integers = _integers(indices, "indices must be integers", "subset").cpu()
    if integers.ndim != 1:
        raise ArgumentError(f"indices must be one-dimensional, not of shape {list(integers.shape)}", where="subset")
    if len(integers) and not (int(integers.min()) >= 0 and int(integers.max()) < count):
        outside = int(integers.min()) if int(integers.min()) < 0 else int(integers.max())
        raise ArgumentError(f"index {outside} is out of range for {count} images", where="subset")
    return integers


def checked_names(names: Any, where: str) -> tuple[str, ...]:
    """Return a tuple of strings.

    Raises:
        ArgumentError: It is a single string, or an element is not a string.
    """
    if isinstance(names, (str, bytes)) or not isinstance(names, (Sequence, np.ndarray)):
        raise ArgumentError(f"expected a list of strings, got {describe(names)}", where=where)
    for number, name in enumerate(names):
        if not isinstance(name, str):
            raise ArgumentError(f"expected a string, got {describe(name)}", where=f"{where}.{number}")
    return tuple(map(str, names))


def checked_text(text: Any, where: str) -> str:
    """Return a string that is not empty.

    Raises:
        ArgumentError: It is empty or not a string.
    """
    if not isinstance(text, str) or not text:
        raise ArgumentError(f"expected a string, got {describe(text)}", where=where)
    return text


def check_parts(train: Any, test: Any, kind: type, name: str) -> None:
    """Check that the training and test images have one type and one image size; one of them may be empty.

    Raises:
        ArgumentError: A part has another type, or the sizes differ.
    """
    for part, images in (("train", train), ("test", test)):
        if not isinstance(images, kind):
            raise ArgumentError(f"{part} must be {kind.__name__}, got {describe(images)}", where=name)
    sizes = [list(part.pixels.shape[2:]) for part in (train, test) if len(part)]
    if len(sizes) == 2 and sizes[0] != sizes[1]:
        what = f"training images have {sizes[0]} pixels, test images {sizes[1]}"
        raise ArgumentError(what, where=name, fix="give `image_size` to resample all images to one size")


def _integers(given: Any, wanted: str, where: str) -> Tensor:
    try:
        tensor = given if isinstance(given, Tensor) else torch.from_numpy(_as_array(given))
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise ArgumentError(f"{wanted}, not {describe(given)}", where=where) from None
    if tensor.dtype not in INTEGER_DTYPES and tensor.numel():
        fix = None
        if tensor.dtype == torch.bool:
            fix = "convert a mask with mask.nonzero().flatten()"
        kind = str(tensor.dtype).removeprefix("torch.")
        raise ArgumentError(f"{wanted}, not {kind} {list(tensor.shape)}", where=where, fix=fix)
    return tensor.to(torch.int64)


def _as_array(given: Any) -> np.ndarray[Any, Any]:
    """Convert to an array of a dtype that torch has, and copy a read-only one."""
    if not isinstance(given, np.ndarray):
        given = [int(each) if isinstance(each, Tensor) and each.dtype in INTEGER_DTYPES else each for each in given]
    array = np.asarray(given)
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        return array.astype(np.int64)
    return array.copy() if not array.flags.writeable else array


def _fix_of_type(dtype: str) -> str | None:
    if "float" in dtype:
        return "convert floats in 0..1 with (pixels * 255).round().to(torch.uint8)"
    return "scale them to 0..255 and convert to uint8"


def unchecked_copy(checked: Checked, **changes: Any) -> Checked:
    """Return a copy of a dataclass instance with changed fields, without checking them again.

    A check of labels on a GPU would have to wait for it.

    Args:
        checked: Instance whose fields were checked when it was made.
        changes: New values by field, known to be valid.

    """
    copy = object.__new__(type(checked))
    copy.__dict__.update({field.name: getattr(checked, field.name) for field in fields(checked)} | changes)
    return copy
