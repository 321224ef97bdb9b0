"""Names of tensors in a checkpoint brought to those of a model: what wrappers, compilers and trainers add to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
"""Parts of a name that only a compiler or a wrapper for several processes puts there."""
DERIVED = re.compile(
    r"(.*\.)?(position_ids|attn_mask|relative_position_index|num_batches_tracked|total_ops|total_params|n_averaged"
    r"|input_resolution|context_length|vocab_size)"
)
"""Buffers that say nothing the architecture does not say; some versions of a library store them, others do not."""
DEPTH = 5
"""Parts of the longest prefix that is looked for."""


@dataclass(frozen=True)
class Named:
    """Tensors under the names of a model.

    Attributes:
        state: by name.
        prefix: what was taken off the names.
        left_out: names that do not begin with the prefix, in the checkpoint's spelling.
        rivals: prefixes under which as much of the model was found; more than one: the checkpoint holds several.

    """

    state: dict[str, Tensor]
    prefix: str = ""
    left_out: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()


def match_names(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Named:
    """Return the tensors of a checkpoint under the names of a model.

    A prefix is believed where at least half of the model is found under it, and more than without it.

    Args:
        wanted: The model's own tensors.
        state: The checkpoint's.

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
    """What stands under the prefix, without buffers that have no place and with numbers in the model's shape."""
    kept = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    kept = {key: value for key, value in kept.items() if key in wanted or not DERIVED.fullmatch(key)}
    for key in kept.keys() & wanted.keys():
        if kept[key].numel() == wanted[key].numel() == 1:  # [1] for [] and the other way round
            kept[key] = kept[key].reshape(wanted[key].shape)
    for key in wanted.keys() - kept.keys():
        if key.endswith("num_batches_tracked"):  # written by no version before 0.4.1, and read by no evaluation
            kept[key] = wanted[key]
    return kept
