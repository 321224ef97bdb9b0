"""Audit of an upgrade: what the stored vectors of an old model are worth when a new model replaces it.

May import data, models, metrics and utils, and no scenario.
"""

from clsim.auditing.audit import audit_vectors
from clsim.auditing.reader import read_audit
from clsim.auditing.record import Arrangement, Audit, BridgeScore, Cost, Curve, Verdict
from clsim.auditing.schema import audit_schema
from clsim.auditing.settings import AuditSettings, Prices

__all__ = [
    "Arrangement",
    "Audit",
    "AuditSettings",
    "BridgeScore",
    "Cost",
    "Curve",
    "Prices",
    "Verdict",
    "audit_schema",
    "audit_vectors",
    "read_audit",
]
