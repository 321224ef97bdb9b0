"""Teacher of a distilled CLIP. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt


class TeacherBlock(BaseModel):
    """Frozen ImageNet classifier that a CLIP reads images through and learns from.

    The image tower reads the teacher's features in place of pixels. The probabilities that the teacher gives to its
    1000 classes are soft targets for the texts of their names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Literal["tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2"] = Field(
        "tf_efficientnet_lite2", description="timm's name; its weights come from a package of the registry"
    )
    weight: NonNegativeFloat = Field(2.0, description="weight of the loss against the teacher's probabilities")
    names: PositiveInt = Field(160, description="class texts a step")
    captioned: NonNegativeInt = Field(64, description="captioned photographs a step, beside the labeled images")
