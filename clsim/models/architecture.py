"""The architecture that a file in clsim's own format tells, believed only as far as its weights go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP
from torch import Tensor

from clsim.models.checkpoints import check_fit

ELSEWHERE = ("timm_", "hf_")
"""Keys that have open_clip ask another library for a model, which may go and fetch one."""


def read_architecture(metadata: Mapping[str, str], state: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    """The keyword arguments of open_clip's CLIP; nothing is built that these weights do not fill.

    Args:
        metadata: of the file.
        state: its tensors.
        path: of the file, for the message.

    Raises:
        UserError: a model so built would not take the weights.
        KeyError, TypeError, ValueError, RuntimeError: no such model can be built.
    """
    architecture: dict[str, Any] = json.loads(metadata["architecture"])
    towers = [architecture["vision_cfg"], architecture["text_cfg"]]
    foreign = [key for tower in towers for key in tower if key.startswith(ELSEWHERE)]
    if foreign:
        raise ValueError(f"{foreign[0]} asks for a model from elsewhere")
    if any(tower["layers"] > len(state) for tower in towers):
        raise ValueError("more layers than weights")
    with torch.device("meta"):  # shapes alone: a few digits in a file can ask for more memory than there is
        wanted = CLIP(**architecture).state_dict()
    check_fit(wanted, state, path, metadata.get("name", path.stem))
    return architecture
