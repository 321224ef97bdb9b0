"""The strategy template, its forward pass and its loaders.

May import `metrics` and the packages below it.
"""

from clsim.training.loaders import ResidentBatches
from clsim.training.phases import Phase
from clsim.training.session_plan import SessionPlan, SessionPlanner
from clsim.training.strategy import Strategy

__all__ = ["Phase", "ResidentBatches", "SessionPlan", "SessionPlanner", "Strategy"]
