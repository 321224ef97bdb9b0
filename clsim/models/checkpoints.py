"""Checkpoints: tables of tensors read without running code from the file, and put into a model or refused."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from clsim.errors import UserError


def read_weights(path: Path, key: str = "strategy.pretrained") -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a checkpoint and its metadata (empty for a pickle); never runs code from the file.

    Args:
        path: of the file.
        key: of the scenario, where it was named; for the message.

    Raises:
        UserError: missing, damaged, no table of tensors, or a pickle of more than tensors.

    """
    where = str(path)
    if not path.is_file():
        raise UserError("there is no such checkpoint", where=where, fix=f"Check {key}.")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                metadata = dict(file.metadata() or {})
            return load_file(path), metadata
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise UserError(f"the checkpoint is damaged or not safetensors ({error})", where=where) from error
    except pickle.UnpicklingError as error:
        fix = "Only tensors are read. Save the model's state_dict(), best with safetensors.torch.save_file."
        raise UserError("the checkpoint holds more than tensors, or is damaged", where=where, fix=fix) from error
    except (MemoryError, OSError):
        raise
    except Exception as error:  # a damaged pickle fails in whatever way its instructions lead to
        fix = "Save the model's state_dict() with safetensors.torch.save_file."
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"the checkpoint cannot be read ({first})", where=where, fix=fix) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
    if not isinstance(state, dict) or not state or not all(map(_is_plain, state.keys(), state.values())):
        raise UserError("the checkpoint is no table of tensors", where=where, fix="Save the model's state_dict().")
    return {key.removeprefix("module."): value for key, value in state.items()}, {}


def _is_plain(key: object, value: object) -> bool:
    """Whether this is a name and a tensor with numbers in it, all of them."""
    return (
        isinstance(key, str)
        and isinstance(value, Tensor)
        and value.layout == torch.strided
        and not (value.is_meta or value.is_quantized)
    )


def fill(model: nn.Module, state: Mapping[str, Tensor], path: Path, name: str, key: str = "strategy.backbone") -> None:
    """Loads the weights into a model.

    Args:
        model: takes them.
        state: tensors by name.
        path: where they came from, for the message.
        name: of the model, likewise.
        key: of the scenario, where its architecture was named; likewise.

    Raises:
        UserError: a tensor is missing, has no place or another shape; the first three are named.
    """
    check_fit(model.state_dict(), state, path, name, key)
    model.load_state_dict(state)


def check_fit(
    wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path, name: str, key: str = "strategy.backbone"
) -> None:
    """Makes sure that the weights are those that a model of these tensors takes; see `fill`."""
    problems = [f"{key} is missing" for key in wanted if key not in state]
    problems += [f"{key} has no place" for key in state if key not in wanted]
    problems = [
        f"{key} is {list(state[key].shape)}, not {list(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ] + problems
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError(
            f"the checkpoint does not fit {name}: {'; '.join(problems[:3])}{more}",
            where=str(path),
            fix=f"Set {key} to the architecture the weights were trained with.",
        )


def weights_sha256(model: nn.Module) -> str:
    """Of names, shapes and float32 values, whatever file or type they were stored in."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(f"{key}{tuple(value.shape)}".encode())
        digest.update(memoryview(value.detach().cpu().float().contiguous().numpy()).cast("B"))
    return digest.hexdigest()
