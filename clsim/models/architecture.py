"""Architecture stored in a file of clsim's format, checked against the weights of the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clsim.models.checkpoints import check_fit
from clsim.models.feature_tokens import build_clip

ELSEWHERE = ("timm_", "hf_")
"""Prefixes of keys that make open_clip load a model from another library, which may download it."""


def read_architecture(
    metadata: Mapping[str, str], state: Mapping[str, Tensor], path: Path, features: int | None = None
) -> dict[str, Any]:
    """Return the keyword arguments of open_clip's CLIP; refuse a model that these weights do not fill.

    Args:
        metadata: Metadata of the file.
        state: Tensors of the file.
        path: Path of the file, for the message.
        features: Length of the features that the image tower reads; None: pixels.

    Raises:
        UserError: The weights do not fit the model.
        KeyError, TypeError, ValueError, RuntimeError: No such model can be built.
    """
    architecture: dict[str, Any] = json.loads(metadata["architecture"])
    towers = [architecture["vision_cfg"], architecture["text_cfg"]]
    foreign = [key for tower in towers for key in tower if key.startswith(ELSEWHERE)]
    if foreign:
        raise ValueError(f"{foreign[0]} names a model of another library")
    if any(tower["layers"] > len(state) for tower in towers):
        raise ValueError("more layers than weights")
    with torch.device("meta"):  # shapes only: a few digits in a file can ask for any amount of memory
        wanted = build_clip(architecture, features).state_dict()
    check_fit(wanted, state, path, metadata.get("name", path.stem))
    return architecture
