"""Models trained ahead of a run, from recipes.

May import `config` and the packages below it. Imports no torch before a model is trained.
"""

from clsim.config.models.recipe import ClassifierRecipe, ClipRecipe, ModelRecipe
from clsim.pretraining.store import models_root, resolve_model

__all__ = ["ClassifierRecipe", "ClipRecipe", "ModelRecipe", "models_root", "resolve_model"]
