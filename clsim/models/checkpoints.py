"""Reading of checkpoints, without running code from the file, and loading into a model."""

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

CLASSIFIER_KEYS = re.compile(r"(fc|head|classifier|head\.fc)\.(weight|bias)")
"""Names of the classifier on top of a backbone in the usual libraries; it is not part of the backbone."""

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
"""Keys under which training programs store the weights; the first one present wins."""


def _harmless() -> list[Any]:
    """Return types of settings and figures beside the weights that are safe to construct."""
    scalar = np.float64(0).__reduce__()[0]
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    dtypes = [type(np.dtype(code)) for code in "?bhilqBHILQefd"]
    return [argparse.Namespace, PurePosixPath, PosixPath, np.dtype, *dtypes, *names]


def read_weights(path: Path, key: str = "strategy.pretrained") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a checkpoint and its metadata; never run code from the file.

    Only a safetensors file has metadata; for a pickle or a TorchScript archive they are empty.

    Args:
        path: Path of the file.
        key: Key of the scenario that names it, for the message.

    Raises:
        UserError: The file is missing, damaged, or contains anything else than a table of tensors.

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
            warnings.simplefilter("ignore")  # of torch, about old pickles; these load or raise
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise UserError(
            f"the checkpoint is damaged or not a safetensors file ({error})", where=where, fix=_placeholder(path)
        ) from error
    except pickle.UnpicklingError as error:
        fix = "Only tensors are read: save the model's state_dict(), best with safetensors.torch.save_file."
        named = re.search(r"GLOBAL ([\w.]+) was not an allowed", str(error))
        more = f" ({named[1]})" if named else ""
        raise UserError(
            f"the checkpoint contains more than tensors{more}, or is damaged",
            where=where,
            fix=_placeholder(path) or fix,
        ) from error
    except (MemoryError, OSError):
        raise
    except Exception as error:  # a damaged pickle may fail in any way
        fix = "Save the model's state_dict() with safetensors.torch.save_file."
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"the checkpoint cannot be read ({first})", where=where, fix=_placeholder(path) or fix
        ) from error
    return _table(loaded, where), {}


def _missing(path: Path, key: str) -> UserError:
    if not path.is_dir():
        return UserError("no such checkpoint", where=str(path), fix=f"Check {key}.")
    files = sorted(file.name for file in path.iterdir() if file.suffix in SUFFIXES)
    fix = f"Name the file in it: {', '.join(files[:5])}." if files else f"Check {key}."
    return UserError("no such checkpoint: this is a folder", where=str(path), fix=fix)


def _placeholder(path: Path) -> str | None:
    """Return the fix for a file that stands for the weights, None for another file."""
    with path.open("rb") as file:
        first = file.read(64).lstrip().lower()
    if first.startswith(b"version https://git-lfs"):
        return "This is a Git LFS pointer, not the file itself: run `git lfs pull`."
    if first.startswith((b"<!doctype", b"<html")):
        return "This is a web page, not the file itself: download it again."
    return None


def _table(loaded: object, where: str) -> dict[str, Tensor]:
    """Return the table of tensors in the content of a pickle, without numbers and strings beside them."""
    outer = loaded
    while isinstance(loaded, dict):
        inner = next((loaded[key] for key in TABLES if isinstance(loaded.get(key), dict)), None)
        if inner is None:
            break
        loaded = inner
    state = loaded if isinstance(loaded, dict) else {}
    # Three numbers identify OpenAI's weights, in whichever form they were stored.
    state = {
        key: torch.tensor(value) if isinstance(value, int) and DERIVED.fullmatch(str(key)) else value
        for key, value in state.items()
        if not isinstance(value, str | float | bool | NoneType)
    }
    state = {key: value for key, value in state.items() if not isinstance(value, int)}
    if not state or not all(map(_is_plain, state.keys(), state.values())):
        keys = ", ".join(map(str, list(outer)[:8])) if isinstance(outer, dict) else ""
        content = f"; its keys are {keys}" if keys else ""
        raise UserError(
            f"the checkpoint is not a table of tensors{content}", where=where, fix="Save the model's state_dict()."
        )
    return state


def _is_plain(key: object, value: object) -> bool:
    """Return whether this is a name and a dense tensor with values."""
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
    """Load weights into a model.

    Args:
        model: Model to fill.
        state: Tensors by name; prefixes of wrappers, compilers and trainers are removed.
        path: Path of the file, for the message.
        name: Name of the model, for the message.
        key: Key of the scenario that names its architecture, for the message.
        without: Pattern of names of tensors to ignore.

    Raises:
        UserError: A tensor is missing, unknown, of another shape or not finite; the first three are named.
    """
    wanted = model.state_dict()
    found = match_names(wanted, state)
    if found.rivals:
        raise UserError(
            f"the checkpoint contains several models like {name}, under {', '.join(found.rivals)}",
            where=str(path),
            fix="Save the state_dict() of one of them.",
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
            f"{path}: {len(left_out)} tensors outside {found.prefix!r} are ignored: {', '.join(left_out[:3])}{more}",
            stacklevel=2,
        )
    model.load_state_dict(fitting)


def _check_numbers(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path) -> None:
    """Check that weights are finite, and floating-point where the model's are."""
    for key, value in state.items():
        if wanted[key].is_floating_point() and not value.is_floating_point():
            raise UserError(
                f"{key} has values of {str(value.dtype).removeprefix('torch.')}, not floating-point numbers",
                where=str(path),
                fix="Use the weights from before quantization.",
            )
        check_finite(key, value, path)


def check_finite(key: str, value: Tensor, path: Path) -> None:
    """Check that all values of a tensor are finite.

    Raises:
        UserError: Some are NaN or infinite.
    """
    if value.is_floating_point() and not (finite := torch.isfinite(value)).all():
        raise UserError(
            f"{key} has {int((~finite).sum()):,} of {value.numel():,} numbers that are NaN or infinite",
            where=str(path),
            fix="The training diverged or the file is damaged: use another checkpoint.",
        )


def check_fit(
    wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path, name: str, key: str = "strategy.backbone"
) -> None:
    """Check that weights have the names and shapes of a model's tensors, see :func:`fill`."""
    problems = [f"{key} is missing" for key in wanted if key not in state]
    problems += [f"{key} is unknown" for key in state if key not in wanted]
    problems = [
        f"{key} is {list(state[key].shape)}, not {list(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ] + problems
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        fix = f"Set {key} to the architecture the weights were trained with."
        if any(name.startswith(TRANSFORMERS) for name in state):
            fix = "The names are those of Hugging Face's transformers: use the same weights in open_clip's form."
        raise UserError(
            f"the checkpoint does not fit {name}: {'; '.join(problems[:3])}{more}", where=str(path), fix=fix
        )


def weights_sha256(model: nn.Module) -> str:
    """Return the hash of names, shapes and float32 values, the same for every file and type of storage."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(f"{key}{tuple(value.shape)}".encode())
        digest.update(memoryview(value.detach().cpu().float().contiguous().numpy()).cast("B"))
    return digest.hexdigest()
