"""Frozen weights that a checkpoint need not store, since nothing has changed them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class FrozenWeights:
    """Registry of the parameters that were frozen when they came into a model, and of later writes to them.

    Weights of a large pre-trained model are read again from their source; a checkpoint holds a hash of them. Parameters
    that were trained before they were frozen do not count.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Tensor, int | None]] = {}
        self._hashed: tuple[object, Sequence[Tensor], str] = ((), [], "")

    def note(self, model: nn.Module) -> None:
        """Register the parameters of a model, at the start and after every exchange of its parts."""
        self._seen = {
            id(parameter): self._seen.get(
                id(parameter), (parameter, None if parameter.requires_grad else parameter._version)
            )
            for parameter in model.parameters()
        }

    def names(self, model: nn.Module) -> set[str]:
        """Return the names of the frozen parameters that nothing has written to."""
        return {
            name
            for name, parameter in model.named_parameters(remove_duplicate=False)
            if self._seen.get(id(parameter), (None, None))[1] == parameter._version
        }

    def changed(self, model: nn.Module) -> dict[str, Tensor]:
        """Return all other parameters and the buffers, which a checkpoint stores."""
        left_out = self.names(model)
        return {
            name: value
            for name, value in model.state_dict().items()
            if isinstance(value, Tensor) and name not in left_out
        }

    def sha256(self, model: nn.Module) -> str:
        """Return the hash of the unchanged parameters; computed once for the same parameters."""
        names, parameters = sorted(self.names(model)), dict(model.named_parameters(remove_duplicate=False))
        which = [(name, id(parameters[name]), parameters[name]._version) for name in names]
        if self._hashed[0] != which:
            # The parameters are held, so that no other one gets the identity of one that is gone.
            held = [parameters[name] for name in names]
            self._hashed = (which, held, tensors_sha256(zip(names, held, strict=True)))
        return self._hashed[2]


def tensors_sha256(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Return the hash of tensors: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
