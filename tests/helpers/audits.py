"""Audits for tests: a small real one, and made ones with chosen figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from clsim.auditing import Arrangement, Audit, AuditSettings, Cost, Curve, Prices, Verdict, audit_vectors
from clsim.auditing.material import Inputs
from clsim.data.vectors import as_vectors
from clsim.metrics.functional.bootstrap import Estimate

UNKIND = "</script><img src=x onerror=alert(1)>{{ 7 * 7 }} \\input{x} | a_b & 50 % \x1b[31m\u202e"
"""A name that no page, table or terminal may obey."""


@lru_cache(maxsize=1)
def real_audit() -> Audit:
    """Return an audit of a turned, noisy space, with labels, prices and a note; it takes a second or two."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 20, 600)
    new = random.normal(size=(20, 16))[labels] + 0.5 * random.normal(size=(600, 16))
    turn = np.linalg.qr(random.normal(size=(16, 16)))[0]
    old = new @ turn + 0.7 * random.normal(size=new.shape)
    inputs = Inputs(as_vectors(old.astype(np.float32)), as_vectors(new.astype(np.float32)), labels=labels)
    settings = AuditSettings(bridges=("procrustes", "ridge"), candidates=50, index_items=0)
    prices = Prices(new_seconds=20.0, new_money=0.5, items=1_000_000)
    return audit_vectors(inputs, settings, prices, notes=("2 duplicate rows were kept.",))


def around(value: float, half: float = 0.01) -> Estimate:
    """Return an estimate with an interval of twice ``half``."""
    return Estimate(value, value - half, value + half)


def arrangement(name: str, recall: float, bridge: str | None = None, **cost: Any) -> Arrangement:
    """Return an arrangement whose kept fraction and gain follow from 0.9 with and 0.5 without re-indexing."""
    figures = {"recall@10": around(recall)}
    curve = Curve((0.0, 0.5, 1.0), (0.5, recall, 0.9), 0.7) if name.startswith("partial") else None
    return Arrangement(name, bridge, figures, 1000, around(recall / 0.9), around(recall - 0.5), Cost(**cost), curve)


def made_audit(verdict: Verdict | None = None, **changes: Any) -> Audit:
    """Return an audit with chosen figures.

    Args:
        verdict: Verdict; None: bridge the queries with ridge.
        changes: Other values of the fields of the audit.

    """
    rows = (
        arrangement("do_nothing", 0.5, query_ms_p50=1.0),
        arrangement("naive_swap", 0.1, query_ms_p50=1.0),
        arrangement("bridge_query", 0.87, "ridge", query_ms_p50=1.2),
        arrangement("bridge_query", 0.84, "procrustes", query_ms_p50=1.1),
        arrangement("partial_reindex_random", 0.86, "ridge", embedded_items=500, query_ms_p50=1.5),
        arrangement("partial_reindex_popular_first", 0.88, "ridge", embedded_items=500, query_ms_p50=1.5),
        arrangement("full_reindex", 0.9, embedded_items=1000, query_ms_p50=1.5),
    )
    verdict = verdict or Verdict("bridge", "It keeps enough.", "bridge_query", "ridge")
    return replace(real_audit(), **{"verdict": verdict, "arrangements": rows, **changes})


def unkind_audit() -> Audit:
    """Return an audit in which every free text is unkind."""
    rows: tuple[Mapping[str, Any], ...] = ({"index": UNKIND, "recall@10": 0.9, UNKIND: 3, "list": [1, None]},)
    verdict = Verdict("bridge", UNKIND, "bridge_query", UNKIND)
    audit = made_audit(notes=(UNKIND,), inputs={UNKIND: {"name": UNKIND}}, indexes=rows)
    named = [replace(each, bridge=UNKIND) if each.bridge == "ridge" else each for each in audit.arrangements]
    bridges = tuple(replace(each, name=UNKIND) for each in audit.bridges)
    return replace(audit, verdict=verdict, arrangements=tuple(named), bridges=bridges)
