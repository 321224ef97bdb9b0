"""Conversion of state to JSON and tensors and back; no code is stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

State = Any
"""None, numbers, texts, tensors, and lists, tuples, sets and dicts of these."""


class NotStorable(TypeError):
    """A value is not a number, text, tensor or container of these."""


def pack(state: State) -> tuple[Any, dict[str, Tensor]]:
    """Split a state into JSON and tensors, which the JSON names.

    Tensors are detached and on the CPU. A tensor with another memory order, such as ``channels_last``, is stored with
    that order, since sums over it would round differently.

    Args:
        state: State to store.

    Raises:
        NotStorable: There is something else in it; the message names the place.

    Example:
        >>> pack({"step": 3, "size": (1, 2.5)})
        ({'dict': [['step', 3], ['size', {'tuple': [1, 2.5]}]]}, {})

    """
    tensors: dict[str, Tensor] = {}
    return _pack(state, "state", tensors), tensors


def unpack(packed: Any, tensors: Mapping[str, Tensor], device: torch.device | str = "cpu") -> State:
    """Return the state that :func:`pack` split.

    Args:
        packed: Content of the JSON.
        tensors: Tensors by name.
        device: Device for the tensors that were not on the CPU.

    Raises:
        ValueError: The content is not from :func:`pack`.

    """
    try:
        return _unpack(packed, tensors, torch.device(device))
    except (KeyError, TypeError, AttributeError, RuntimeError, RecursionError) as error:
        raise ValueError(f"no state that was stored: {error!r}") from error


def is_storable(value: object) -> bool:
    """Return whether :func:`pack` accepts a value."""
    try:
        pack(value)
    except NotStorable:
        return False
    return True


def _pack(value: object, place: str, tensors: dict[str, Tensor]) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, Tensor):
        return _pack_tensor(value, place, tensors)
    if isinstance(value, list):
        return [_pack(item, f"{place}[{index}]", tensors) for index, item in enumerate(value)]
    if type(value) is tuple:
        return {"tuple": [_pack(item, f"{place}[{index}]", tensors) for index, item in enumerate(value)]}
    if isinstance(value, set | frozenset):
        return {"set": [_pack(item, f"{place}{{}}", tensors) for item in sorted(value)]}
    if isinstance(value, Mapping):
        pairs = [[_pack(key, place, tensors), _pack(item, f"{place}.{key}", tensors)] for key, item in value.items()]
        return {"dict": pairs}
    raise NotStorable(f"{place} is a {type(value).__name__}, which is no number, text or tensor")


def _pack_tensor(value: Tensor, place: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    if value.is_sparse or value.is_quantized or value.is_complex():
        raise NotStorable(f"{place} is a sparse, quantized or complex tensor")
    stored = value.detach()
    note: dict[str, Any] = {"tensor": f"{len(tensors)}:{place}"}
    if not stored.is_contiguous():
        order = sorted(range(stored.ndim), key=lambda axis: stored.stride()[axis], reverse=True)
        if stored.permute(order).is_contiguous():
            stored, note["order"] = stored.permute(order), order
    if value.device.type != "cpu":
        note["elsewhere"] = True
    tensors[note["tensor"]] = stored.cpu().contiguous()
    return note


def _unpack(packed: Any, tensors: Mapping[str, Tensor], device: torch.device) -> State:
    if packed is None or isinstance(packed, bool | int | float | str):
        return packed
    if isinstance(packed, list):
        return [_unpack(item, tensors, device) for item in packed]
    ((kind, content),) = [(key, item) for key, item in packed.items() if key not in ("order", "elsewhere")]
    if kind == "tensor":
        stored = tensors[content]
        if "order" in packed:
            order = packed["order"]
            stored = stored.permute([order.index(axis) for axis in range(len(order))])
        return stored.to(device) if packed.get("elsewhere") else stored
    if kind == "float":
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[content]
    if kind == "dict":
        return {_unpack(key, tensors, device): _unpack(item, tensors, device) for key, item in content}
    made = [_unpack(item, tensors, device) for item in content]
    return {"tuple": tuple, "set": set}[kind](made)
