"""Tensors of TorchScript archives, in which OpenAI distributes CLIP, read without running their code."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


MOST = 100_000
"""Limit of modules to visit: modules may be shared, and those of a damaged file may form a cycle."""


class _Object:
    """Stand-in for any object of an archive that is not a tensor, with its attributes."""

    attributes: dict[str, Any]

    def __new__(cls, *arguments: object) -> _Object:
        made = super().__new__(cls)
        made.attributes = {}
        return made

    def __init__(self, *arguments: object) -> None:
        """Accept any arguments: of a list type tag, a device, a module."""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.attributes = state


def is_torchscript(path: Path) -> bool:
    """Return whether a file is a TorchScript archive: a zip file with code in it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a TorchScript archive, by their dotted names.

    ``torch.jit.load`` would prepare the archive's code to run. This function does not read the code.

    Raises:
        Exception: The archive is damaged; of any kind.

    """
    with zipfile.ZipFile(path) as archive:
        (main,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        root = _Unpickler(archive, main.removesuffix("data.pkl")).load()
    found: dict[str, Tensor] = {}
    waiting: list[tuple[str, Any]] = [("", root)]
    for _ in range(MOST):
        if not waiting:
            return found
        prefix, thing = waiting.pop()
        for name, value in thing.attributes.items():
            if isinstance(value, Tensor):
                found[f"{prefix}{name}"] = value
            elif isinstance(value, _Object):
                waiting.append((f"{prefix}{name}.", value))
    raise ValueError("the modules of the archive contain each other")


class _Unpickler(pickle.Unpickler):
    """Unpickler of tensors and dictionaries; anything else becomes an :class:`_Object`."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}data.pkl")))
        self._archive = archive
        self._folder = folder
        self._storages: dict[str, torch.UntypedStorage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        return type(name, (_Object,), {})

    def persistent_load(self, pid: Any) -> tuple[torch.UntypedStorage, torch.dtype]:
        _, dtype, key, _, _ = pid
        if key not in self._storages:
            record = self._archive.getinfo(f"{self._folder}data/{key}")
            if record.compress_type != zipfile.ZIP_STORED:  # torch never compresses; a small file could fill the memory
                raise ValueError(f"{record.filename} is compressed")
            content = bytearray(self._archive.read(record))
            filled = torch.frombuffer(content, dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)
            self._storages[key] = filled.untyped_storage()
        return self._storages[key], dtype


def _tensor(
    stored: tuple[torch.UntypedStorage, torch.dtype], offset: int, size: Any, stride: Any, *_: object
) -> Tensor:
    storage, dtype = stored
    return torch.empty(0, dtype=dtype).set_(storage, offset, size, stride)  # type: ignore[arg-type]
