"""The Python interface: wires engine and audit to console, HTML report and trackers.

May import everything but `sweep` and `cli`. Names are imported on first use: an audit needs no engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.utils.lazy import lazy_exports

if TYPE_CHECKING:
    from clsim.api.simulation import run
    from clsim.api.upgrade import audit, audit_chain

__all__ = ["audit", "audit_chain", "run"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {"audit": "clsim.api.upgrade", "audit_chain": "clsim.api.upgrade", "run": "clsim.api.simulation"},
)
