"""Models made elsewhere, as entries of the block ``models:``. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

QUICK_GELU = "Activation of a CLIP: true for QuickGELU, false for GELU; null: by the tag or the file"


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the training data, which is unknown."""
        return ()

    def versions(self) -> tuple[()]:
        """Return the models to make: none."""
        return ()


class TimmModel(_Source):
    """timm model with weights from the model hub."""

    kind: Literal["timm"]
    model: str = Field(description="timm's name, for instance resnet18.a1_in1k")
    pretrained: bool = Field(True, description="false: random weights")


class OpenClipModel(_Source):
    """Image tower of an open_clip model, or of a CLIP in a file."""

    kind: Literal["open_clip"]
    model: str = Field(description="open_clip's name, for instance ViT-B-32")
    pretrained: str | None = Field(description="one of its tags, the path of a checkpoint, or null: random weights")
    quick_gelu: bool | None = Field(None, description=QUICK_GELU)


class CheckpointModel(_Source):
    """Weights in a file, made by clsim or the state dict of a backbone."""

    kind: Literal["checkpoint"]
    path: str = Field(min_length=1, description="path of the file")
    backbone: str | None = Field(None, description="architecture; null: by the file")
    quick_gelu: bool | None = Field(None, description=QUICK_GELU)
