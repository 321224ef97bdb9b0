"""Continual-learning simulation: streams, strategies and backward compatibility, session by session.

Public names are loaded when they are first used, so that ``import clsim`` and the command line start at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clsim.config import Scenario, load_scenario
    from clsim.experiment.runner import run
    from clsim.report.compare import Comparison, compare
    from clsim.results.run_directory import Results
    from clsim.training import Strategy

__all__ = ["Comparison", "Results", "Scenario", "Strategy", "compare", "load_scenario", "run"]

_HOMES = {
    "Comparison": "clsim.report.compare",
    "Results": "clsim.results.run_directory",
    "Scenario": "clsim.config",
    "Strategy": "clsim.training",
    "compare": "clsim.report.compare",
    "load_scenario": "clsim.config",
    "run": "clsim.experiment.runner",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in {"data", "losses", "metrics", "models", "plugins", "streams", "training"}:
        return import_module(f"clsim.{name}")
    raise AttributeError(f"module 'clsim' has no attribute {name!r}")
