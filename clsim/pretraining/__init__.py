"""Models made ahead of a run, from recipes; imports no torch before a model is made."""

from clsim.pretraining.recipe import ClipRecipe, ModelRecipe
from clsim.pretraining.store import models_root, resolve_model

__all__ = ["ClipRecipe", "ModelRecipe", "models_root", "resolve_model"]
