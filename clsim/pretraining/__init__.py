"""Models made ahead of a run, from recipes; imports no torch before a model is made."""

from clsim.config.models.recipe import ClassifierRecipe, ClipRecipe, ModelRecipe
from clsim.pretraining.store import models_root, resolve_model

__all__ = ["ClassifierRecipe", "ClipRecipe", "ModelRecipe", "models_root", "resolve_model"]
