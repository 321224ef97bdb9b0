"""Continual-learning simulation: streams, strategies and backward compatibility, session by session.

Names are imported on first use, so that ``import clsim`` and the command line start at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clsim.utils.lazy import lazy_exports

if TYPE_CHECKING:
    from clsim import data, losses, metrics, models, plugins, streams, training
    from clsim.api import audit, audit_chain, run
    from clsim.auditing import Audit, AuditSettings, Prices
    from clsim.config import Scenario, load_scenario
    from clsim.report.compare import Comparison, compare
    from clsim.results.results import Results
    from clsim.training import Strategy

    __version__: str

__all__ = [
    "Audit",
    "AuditSettings",
    "Comparison",
    "Prices",
    "Results",
    "Scenario",
    "Strategy",
    "__version__",
    "audit",
    "audit_chain",
    "compare",
    "data",
    "load_scenario",
    "losses",
    "metrics",
    "models",
    "plugins",
    "run",
    "streams",
    "training",
]

_load, _ = lazy_exports(
    __name__,
    {
        "Audit": "clsim.auditing",
        "AuditSettings": "clsim.auditing",
        "Comparison": "clsim.report.compare",
        "Prices": "clsim.auditing",
        "Results": "clsim.results.results",
        "Scenario": "clsim.config",
        "Strategy": "clsim.training",
        "audit": "clsim.api",
        "audit_chain": "clsim.api",
        "compare": "clsim.report.compare",
        "load_scenario": "clsim.config",
        "run": "clsim.api",
    },
    modules=["data", "losses", "metrics", "models", "plugins", "streams", "training"],
)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("clsim")
    return _load(name)


def __dir__() -> list[str]:
    return __all__
