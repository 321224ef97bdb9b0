"""Everything that decides the features of a frozen backbone, beside the image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import metadata
from typing import Any

import torch
from torch import Tensor, nn

from clsim.models.checkpoints import weights_sha256
from clsim.models.preprocess import Preprocess

FORMAT = 1
"""Version of clsim's way to compute and store features."""
LIBRARIES = ("torch", "timm", "open_clip_torch")
"""Packages whose releases may change what a network computes."""


@dataclass(frozen=True)
class FeatureKey:
    """Address of the features of one backbone.

    Attributes:
        weights_sha256: Hash of the weights, see :func:`~clsim.models.checkpoints.weights_sha256`.
        architecture: Hash of all layers with their settings, and of the buffers that are not part of the weights.
        preprocess: Resize and normalization of images.
        precision: Precision of the forward pass.
        device: Type of the device; a GPU rounds otherwise than a CPU.
        width: Length of a row.
        versions: Releases of the libraries that compute.

    """

    weights_sha256: str
    architecture: str
    preprocess: tuple[str, ...]
    precision: str
    device: str
    width: int
    versions: tuple[str, ...]

    @cached_property
    def name(self) -> str:
        """Name of the directory of these features."""
        content = json.dumps([FORMAT, asdict(self)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]


def feature_key(module: nn.Module, width: int, *, precision: str, device: torch.device) -> FeatureKey:
    """Return the address of a backbone's features.

    Args:
        module: Network from images in [0, 1] to features.
        width: Length of its features.
        precision: Precision of the forward pass.
        device: Device of the network.

    Example:
        >>> key = feature_key(nn.Flatten(), 12, precision="fp32", device=torch.device("cpu"))
        >>> key.precision, key.device, len(key.name)
        ('fp32', 'cpu', 32)

    """
    return FeatureKey(
        weights_sha256=weights_sha256(module),
        architecture=_architecture_sha256(module),
        preprocess=tuple(str(part) for part in module.modules() if isinstance(part, Preprocess)),
        precision=precision,
        device=device.type,
        width=width,
        versions=tuple(f"{name} {metadata.version(name)}" for name in LIBRARIES),
    )


def _architecture_sha256(module: nn.Module) -> str:
    """Return the hash of what a state dict does not show: layers, their numbers, and unsaved buffers."""
    digest = hashlib.sha256(repr(module).encode())
    for name, part in module.named_modules():
        numbers = {key: value for key, value in vars(part).items() if key[0] != "_" and _is_setting(value)}
        numbers.pop("training")
        digest.update(repr((name, type(part).__qualname__, sorted(numbers.items()))).encode())
    saved = module.state_dict().keys()
    for name, buffer in module.named_buffers():
        if name not in saved:
            digest.update(f"{name}{tuple(buffer.shape)}{buffer.dtype}".encode())
            digest.update(buffer.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _is_setting(value: Any) -> bool:
    """Return whether an attribute is a number or a tuple of numbers; text may name a file of this machine."""
    if isinstance(value, tuple):
        return all(_is_setting(item) for item in value)
    return value is None or isinstance(value, bool | int | float)


@dataclass(frozen=True, eq=False)
class TensorVersion:
    """A tensor as it was: equal to a later one as long as nothing exchanged or changed it.

    Attributes:
        tensor: The tensor, held so that no other one takes its place in memory.
        version: Number of changes in place.
        address: Address of its numbers.

    """

    tensor: Tensor
    version: int
    address: int

    def __eq__(self, other: object) -> bool:
        """Compare identity, number of changes, and place in memory."""
        if not isinstance(other, TensorVersion):
            return NotImplemented
        return self.tensor is other.tensor and (self.version, self.address) == (other.version, other.address)


def versions_of(tensors: Iterable[Tensor]) -> tuple[TensorVersion, ...]:
    """Return the versions of tensors."""
    return tuple(TensorVersion(tensor, tensor._version, tensor.data_ptr()) for tensor in tensors)
