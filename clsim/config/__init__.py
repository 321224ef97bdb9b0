"""Scenarios: schema, strict loading, all problems at once with their lines.

May import `plugins` and the packages below it. Imports no torch.
"""

from clsim.config.load import load_scenario
from clsim.config.scenario import Scenario

__all__ = ["Scenario", "load_scenario"]
