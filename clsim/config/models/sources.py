"""Models that were made elsewhere, as a scenario's ``models:`` block names them; imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

QUICK_GELU = "Activation of a CLIP: true for QuickGELU, false for GELU; null: what the tag or the file tells"


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def sources(self) -> tuple[str, ...]:
        """What it learnt from is not known here."""
        return ()

    def versions(self) -> tuple[()]:
        """Nothing has to be made."""
        return ()


class TimmModel(_Source):
    """A timm model; its weights come from the model hub."""

    kind: Literal["timm"]
    model: str = Field(description="timm's name, for instance resnet18.a1_in1k")
    pretrained: bool = Field(True, description="false: random weights")


class OpenClipModel(_Source):
    """The image tower of an open_clip model, or of a CLIP in a file."""

    kind: Literal["open_clip"]
    model: str = Field(description="open_clip's name, for instance ViT-B-32")
    pretrained: str | None = Field(description="one of its tags, the path of a checkpoint, or null: random weights")
    quick_gelu: bool | None = Field(None, description=QUICK_GELU)


class CheckpointModel(_Source):
    """Weights in a file: one that clsim has made, or any state dict of a backbone."""

    kind: Literal["checkpoint"]
    path: str = Field(min_length=1, description="of the file")
    backbone: str | None = Field(None, description="the architecture; null: the file says so itself")
    quick_gelu: bool | None = Field(None, description=QUICK_GELU)
