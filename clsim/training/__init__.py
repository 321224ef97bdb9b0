"""The strategy template and its loaders."""

from clsim.training.loaders import ResidentBatches
from clsim.training.strategy import Strategy

__all__ = ["ResidentBatches", "Strategy"]
