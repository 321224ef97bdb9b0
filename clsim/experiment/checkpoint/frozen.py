"""The part of a model that need not be stored, because it is as it was when it came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Frozen:
    """Remembers the parameters that came into a model frozen, and tells which of them nothing has written to since.

    Weights of a large pre-trained model are read again from where they came from; a checkpoint holds a hash of them.
    What was trained before it was frozen is not among them.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Tensor, int | None]] = {}
        self._hashed: tuple[object, str] = ((), "")

    def note(self, model: nn.Module) -> None:
        """Looks at a model before it is trained: at the start, and whenever parts of it were exchanged."""
        self._seen = {
            id(parameter): self._seen.get(
                id(parameter), (parameter, None if parameter.requires_grad else parameter._version)
            )
            for parameter in model.parameters()
        }

    def names(self, model: nn.Module) -> set[str]:
        """Names of the parameters that are as they came."""
        return {
            name
            for name, parameter in model.named_parameters(remove_duplicate=False)
            if self._seen.get(id(parameter), (None, None))[1] == parameter._version
        }

    def changed(self, model: nn.Module) -> dict[str, Tensor]:
        """All others, and the buffers: what a checkpoint holds of the model."""
        left_out = self.names(model)
        return {
            name: value
            for name, value in model.state_dict().items()
            if isinstance(value, Tensor) and name not in left_out
        }

    def sha256(self, model: nn.Module) -> str:
        """Of the parameters that are as they came; computed once for the same parameters."""
        names, parameters = sorted(self.names(model)), dict(model.named_parameters(remove_duplicate=False))
        which = [(name, id(parameters[name]), parameters[name]._version) for name in names]
        if self._hashed[0] != which:
            self._hashed = (which, tensors_sha256((name, parameters[name]) for name in names))
        return self._hashed[1]


def tensors_sha256(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Of names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
