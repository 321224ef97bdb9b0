"""How a model is had: the union of what a scenario's ``models:`` block may hold; imports no torch."""

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
