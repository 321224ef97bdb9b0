"""Checkpoints: tables of tensors read without running code from the file, and put into a model or refused."""

from __future__ import annotations

import argparse
import hashlib
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path, PosixPath, PurePosixPath
from types import NoneType
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from clsim.models.tensor_names import DERIVED, match_names
from clsim.models.torchscript import is_torchscript, read_torchscript
from clsim.utils.errors import UserError

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
TRANSFORMERS = ("text_model.", "vision_model.")

TABLES = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "module",
    "state_dict_ema",
    "model_ema",
)
"""Keys under which training programs keep the weights, in this order where there are several."""


def _harmless() -> list[Any]:
    """Settings and figures that training programs keep beside the weights; making them runs nothing."""
    scalar = np.float64(0).__reduce__()[0]
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    dtypes = [type(np.dtype(code)) for code in "?bhilqBHILQefd"]
    return [argparse.Namespace, PurePosixPath, PosixPath, np.dtype, *dtypes, *names]


def read_weights(path: Path, key: str = "strategy.pretrained") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a checkpoint and its metadata; never run code from the file.

    Metadata are those of a safetensors file, and empty for a pickle or a TorchScript archive.

    Args:
        path: of the file.
        key: of the scenario, where it was named; for the message.

    Raises:
        UserError: missing, damaged, no table of tensors, or a pickle of more than tensors.

    """
    where = str(path)
    if not path.is_file():
        raise _missing(path, key)
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                metadata = dict(file.metadata() or {})
            return load_file(path), metadata
        if is_torchscript(path):
            return read_torchscript(path), {}
        with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's doubts about old pickles, which end here in an error or nothing
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise UserError(
            f"the checkpoint is damaged or not safetensors ({error})", where=where, fix=_placeholder(path)
        ) from error
    except pickle.UnpicklingError as error:
        fix = "Only tensors are read. Save the model's state_dict(), best with safetensors.torch.save_file."
        named = re.search(r"GLOBAL ([\w.]+) was not an allowed", str(error))
        more = f" ({named[1]})" if named else ""
        raise UserError(
            f"the checkpoint holds more than tensors{more}, or is damaged", where=where, fix=_placeholder(path) or fix
        ) from error
    except (MemoryError, OSError):
        raise
    except Exception as error:  # a damaged pickle fails in whatever way its instructions lead to
        fix = "Save the model's state_dict() with safetensors.torch.save_file."
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"the checkpoint cannot be read ({first})", where=where, fix=_placeholder(path) or fix
        ) from error
    return _table(loaded, where), {}


def _missing(path: Path, key: str) -> UserError:
    if not path.is_dir():
        return UserError("there is no such checkpoint", where=str(path), fix=f"Check {key}.")
    files = sorted(file.name for file in path.iterdir() if file.suffix in SUFFIXES)
    fix = f"Name the file in it: {', '.join(files[:5])}." if files else f"Check {key}."
    return UserError("there is no such checkpoint: this is a folder", where=str(path), fix=fix)


def _placeholder(path: Path) -> str | None:
    """What to do where the file is not the weights but a word about where they are."""
    with path.open("rb") as file:
        first = file.read(64).lstrip().lower()
    if first.startswith(b"version https://git-lfs"):
        return "This is a pointer of Git LFS, not the file itself: run `git lfs pull`."
    if first.startswith((b"<!doctype", b"<html")):
        return "This is a web page, not the file itself: download it again."
    return None


def _table(loaded: object, where: str) -> dict[str, Tensor]:
    """The table of tensors in what a pickle holds, without the numbers and words beside the tensors."""
    outer = loaded
    while isinstance(loaded, dict):
        inner = next((loaded[key] for key in TABLES if isinstance(loaded.get(key), dict)), None)
        if inner is None:
            break
        loaded = inner
    state = loaded if isinstance(loaded, dict) else {}
    # OpenAI's three numbers tell whose weights these are, in whatever form they were kept.
    state = {
        key: torch.tensor(value) if isinstance(value, int) and DERIVED.fullmatch(str(key)) else value
        for key, value in state.items()
        if not isinstance(value, str | float | bool | NoneType)
    }
    state = {key: value for key, value in state.items() if not isinstance(value, int)}
    if not state or not all(map(_is_plain, state.keys(), state.values())):
        keys = ", ".join(map(str, list(outer)[:8])) if isinstance(outer, dict) else ""
        holds = f"; it holds {keys}" if keys else ""
        raise UserError(
            f"the checkpoint is no table of tensors{holds}", where=where, fix="Save the model's state_dict()."
        )
    return state


def _is_plain(key: object, value: object) -> bool:
    """Whether this is a name and a tensor with numbers in it, all of them."""
    return (
        isinstance(key, str)
        and isinstance(value, Tensor)
        and value.layout == torch.strided
        and not (value.is_meta or value.is_quantized)
    )


def fill(
    model: nn.Module,
    state: Mapping[str, Tensor],
    path: Path,
    name: str,
    key: str = "strategy.backbone",
    without: re.Pattern[str] | None = None,
) -> None:
    """Load the weights into a model.

    Args:
        model: takes them.
        state: tensors by name; prefixes of wrappers, compilers and trainers come off.
        path: where they came from, for the message.
        name: of the model, likewise.
        key: of the scenario, where its architecture was named; likewise.
        without: Names of tensors that may be there and are not taken.

    Raises:
        UserError: a tensor is missing, has no place, another shape or numbers that are not finite; the first three
            are named.
    """
    wanted = model.state_dict()
    found = match_names(wanted, state)
    if found.rivals:
        raise UserError(
            f"the checkpoint holds several models like {name}, under {', '.join(found.rivals)}",
            where=str(path),
            fix="Save the state_dict() of the one that you mean.",
        )
    fitting = {
        name: value
        for name, value in found.state.items()
        if not (without and name not in wanted and without.fullmatch(name))
    }
    check_fit(wanted, fitting, path, name, key)
    _check_numbers(wanted, fitting, path)
    left_out = [name for name in found.left_out if not (without and without.fullmatch(name))]
    if left_out:
        more = ", ..." if len(left_out) > 3 else ""
        warnings.warn(
            f"{path}: {len(left_out)} tensors that do not stand under {found.prefix!r} are left out: "
            f"{', '.join(left_out[:3])}{more}",
            stacklevel=2,
        )
    model.load_state_dict(fitting)


def _check_numbers(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path) -> None:
    """Make sure that weights are finite, and real numbers where the model has real numbers."""
    for key, value in state.items():
        if wanted[key].is_floating_point() and not value.is_floating_point():
            raise UserError(
                f"{key} has values of {str(value.dtype).removeprefix('torch.')}, not real numbers",
                where=str(path),
                fix="Take the weights as they were before quantization.",
            )
        check_finite(key, value, path)


def check_finite(key: str, value: Tensor, path: Path) -> None:
    """Make sure that all numbers of a tensor are finite.

    Raises:
        UserError: some are NaN or infinite.
    """
    if value.is_floating_point() and not (finite := torch.isfinite(value)).all():
        raise UserError(
            f"{key} has {int((~finite).sum()):,} of {value.numel():,} numbers that are NaN or infinite",
            where=str(path),
            fix="The training that wrote it diverged, or the file is damaged: take another checkpoint.",
        )


def check_fit(
    wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path, name: str, key: str = "strategy.backbone"
) -> None:
    """Make sure that the weights are those that a model of these tensors takes; see `fill`."""
    problems = [f"{key} is missing" for key in wanted if key not in state]
    problems += [f"{key} has no place" for key in state if key not in wanted]
    problems = [
        f"{key} is {list(state[key].shape)}, not {list(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ] + problems
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        fix = f"Set {key} to the architecture the weights were trained with."
        if any(name.startswith(TRANSFORMERS) for name in state):
            fix = "These are the names of Hugging Face's transformers; take the same weights in open_clip's form."
        raise UserError(
            f"the checkpoint does not fit {name}: {'; '.join(problems[:3])}{more}", where=str(path), fix=fix
        )


def weights_sha256(model: nn.Module) -> str:
    """Of names, shapes and float32 values, whatever file or type they were stored in."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(f"{key}{tuple(value.shape)}".encode())
        digest.update(memoryview(value.detach().cpu().float().contiguous().numpy()).cast("B"))
    return digest.hexdigest()
