"""Union of all entries of the block ``models:``. Imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clsim.config.models.classifier import ClassifierRecipe
from clsim.config.models.clip import ClipRecipe
from clsim.config.models.sources import CheckpointModel, OpenClipModel, TimmModel

ModelRecipe = Annotated[
    ClipRecipe | ClassifierRecipe | TimmModel | OpenClipModel | CheckpointModel, Field(discriminator="kind")
]
Trainable = ClipRecipe | ClassifierRecipe

__all__ = [
    "CheckpointModel",
    "ClassifierRecipe",
    "ClipRecipe",
    "ModelRecipe",
    "OpenClipModel",
    "TimmModel",
    "Trainable",
]
