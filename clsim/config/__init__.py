"""Scenarios: their schema, strict loading, every problem at once with its line. Imports no torch."""

from clsim.config.load import load_scenario
from clsim.config.scenario import Scenario

__all__ = ["Scenario", "load_scenario"]
