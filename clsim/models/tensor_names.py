"""Mapping of a checkpoint's tensor names to a model's, without the prefixes of wrappers and trainers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
"""Parts of a name that a compiler or a wrapper for distributed training adds."""
DERIVED = re.compile(
    r"(.*\.)?(position_ids|attn_mask|relative_position_index|num_batches_tracked|total_ops|total_params|n_averaged"
    r"|input_resolution|context_length|vocab_size)"
)
"""Buffers that follow from the architecture; only some versions of a library store them."""
DEPTH = 5
"""Number of parts of the longest prefix to try."""


@dataclass(frozen=True)
class Named:
    """Tensors under the names of a model.

    Attributes:
        state: Tensors by name.
        prefix: Prefix removed from the names.
        left_out: Names of the checkpoint without the prefix.
        rivals: Prefixes under which an equal part of the model was found, if the checkpoint contains several models.

    """

    state: dict[str, Tensor]
    prefix: str = ""
    left_out: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()


def match_names(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Named:
    """Return the tensors of a checkpoint under the names of a model.

    A prefix counts if at least half of the model is found under it, and more than without it.

    Args:
        wanted: Tensors of the model, by name.
        state: Tensors of the checkpoint, by name.

    """
    plain = _unwrapped(wanted, state)
    names = {key for key in wanted if not DERIVED.fullmatch(key)}
    found = Counter({prefix: sum(prefix + key in plain for key in names) for prefix in _prefixes(plain)})
    most = max(found.values(), default=0)
    if found[""] == most or 2 * most < len(names):
        return Named(_known(wanted, plain, ""))
    best = tuple(sorted(prefix for prefix, count in found.items() if count == most))
    outside = tuple(key for key in plain if not key.startswith(best[0]) and not DERIVED.fullmatch(key))
    return Named(_known(wanted, plain, best[0]), best[0], outside, best if len(best) > 1 else ())


def _unwrapped(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if any(part in WRAPPERS for key in wanted for part in key.split(".")):
        return dict(state)
    plain = {".".join(part for part in key.split(".") if part not in WRAPPERS): key for key in state}
    return dict(state) if len(plain) < len(state) else {name: state[key] for name, key in plain.items()}


def _prefixes(state: Mapping[str, Tensor]) -> set[str]:
    found = {""}
    for key in state:
        parts = key.split(".")
        found |= {".".join(parts[:depth]) + "." for depth in range(1, min(len(parts), DEPTH + 1))}
    return found


def _known(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors under a prefix, without unknown derived buffers, single values in the model's shape."""
    kept = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    kept = {key: value for key, value in kept.items() if key in wanted or not DERIVED.fullmatch(key)}
    for key in kept.keys() & wanted.keys():
        if kept[key].numel() == wanted[key].numel() == 1:  # [1] for [] and vice versa
            kept[key] = kept[key].reshape(wanted[key].shape)
    for key in wanted.keys() - kept.keys():
        if key.endswith("num_batches_tracked"):  # missing before PyTorch 0.4.1, and irrelevant in evaluation
            kept[key] = wanted[key]
    return kept
