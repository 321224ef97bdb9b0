"""Cells of an audit's tables."""

from __future__ import annotations

from typing import Any

import pytest

from clsim.auditing import Cost
from clsim.metrics.functional.bootstrap import Estimate
from clsim.report.audit.cells import COSTS, by_key, interval, milliseconds, money, with_interval


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("recall@10", 0.12345, "12.35"),
        ("recall@10 rebuilt", 1.0, "100.00"),
        ("k", 10, "10"),
        ("items", 1_000_000, "1,000,000"),
        ("build_seconds", 3723.0, "1:02:03"),
        ("stored_bytes", 3 << 20, "3.0 MiB"),
        ("query_ms_p50", 0.0312, "0.0312"),
        ("ms_p99", 1234.5, "1,234"),
        ("cosine", 0.87654, "0.8765"),
        ("exact", True, "yes"),
        ("exact", False, "no"),
        ("index", "hnsw", "hnsw"),
        ("index", None, "-"),
        ("index", "", "-"),
        ("widths", [64, 128], "64, 128"),
        ("rewritten", {"recall": 0.5, "items": 3}, "recall 50.00, items 3"),
        ("ndcg@10", {"value": 0.5, "low": 0.4, "high": 0.6}, "50.00 (40.00 to 60.00)"),
        ("recall@10", float("nan"), "nan"),
    ],
)
def test_a_value_is_shown_as_its_key_suggests(key: str, value: Any, text: str) -> None:
    cell = by_key(key, value)
    assert cell.text == text
    number = value["value"] if isinstance(value, dict) and "value" in value else value
    if isinstance(number, (int, float)) and not isinstance(number, bool) and number == number:
        assert cell.value == number


def test_an_interval_is_in_percent_or_points() -> None:
    estimate = Estimate(0.1, -0.0212, 0.3)
    assert interval(estimate).text == "-2.12 to 30.00"
    assert interval(estimate, points=True).text == "-2.12 to +30.00"
    assert with_interval(estimate) == ("10.00 (-2.12 to 30.00)", 0.1, "", ())
    assert with_interval(None).value is None


def test_an_unknown_cost_is_a_dash_and_every_cost_has_a_column() -> None:
    cells = {cost.key: cost.cell(Cost(embedded_items=5)) for cost in COSTS}
    assert set(cells) == set(Cost.__dataclass_fields__)
    assert cells["embedded_items"].text == "5"
    assert cells["embed_money"].text == "-" and cells["embed_money"].value is None


def test_small_and_large_numbers_stay_readable() -> None:
    assert [milliseconds(x) for x in (0.00123, 5, 99.94, 123456.0, None)] == ["0.00123", "5", "99.9", "123,456", "-"]
    assert [money(x) for x in (0, 0.0012345, 13, 1e6, None)] == ["0.00", "0.001234", "13.00", "1,000,000.00", "-"]
