"""Conversion of the names of a CLIP's tensors to open_clip's."""

from __future__ import annotations

from collections.abc import Mapping

from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict
from torch import Tensor, nn

WRAPPER = "module."


def converted(model: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under the names of an open_clip model: of MobileCLIP, and with or without a text module.

    Args:
        model: Model that the weights are for.
        state: Tensors by name.

    """
    plain = dict(state)
    while plain and all(key.startswith(WRAPPER) for key in plain):
        plain = {key.removeprefix(WRAPPER): value for key, value in plain.items()}
    plain = dict(convert_state_dict(model, plain))
    apart = hasattr(model, "text")
    if apart and "positional_embedding" in plain:
        return dict(convert_to_custom_text_state_dict(plain))
    if not apart and "text.positional_embedding" in plain:
        return {key.removeprefix("text."): value for key, value in plain.items()}
    return plain
