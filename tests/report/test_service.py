from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clsim.report.service import backfill_table, service_sentence, service_table, spark

Make = Callable[..., Any]


def test_a_row_for_each_session(compatible: Make) -> None:
    table = service_table(compatible()["sessions"])
    assert list(table.headings) == [
        "session", "gallery images", "nothing re-indexed", "everything re-indexed", "model not updated",
        "images not re-processed", "device time saved",
    ]  # fmt: skip
    assert len(table.rows) == 7
    assert table.texts[-1] == ("6", "9,996", "71.02%", "77.16%", "58.89%", "8,568", "7.2 s")
    assert [row[0] for row in table.fitted(30).texts] == list("0123456")


def test_sessions_without_a_service_have_no_row(results: Make) -> None:
    assert service_table(results(3)["sessions"]).rows == ()


def test_the_sentence_of_a_session(compatible: Make) -> None:
    assert service_sentence(compatible()["sessions"][-1]["service"]) == (
        "nothing re-indexed 71.02%, everything re-indexed 77.16%, model not updated 58.89%, "
        "8,568 images not re-processed, 7.2 s of device time saved"
    )


BACKFILL = {
    "fractions": [0, 0.25, 0.5, 0.75, 1],
    "random": [0.5, 0.55, 0.6, 0.65, 0.7],
    "best_first": [0.5, 0.64, 0.68, 0.69, 0.7],
    "area_random": 0.6,
    "area_best_first": 0.6525,
}


def test_the_backfill_curves_share_a_scale() -> None:
    table = backfill_table(BACKFILL)
    assert [table.headings, *table.texts] == [
        ("re-indexed", "", "0%", "50%", "100%", "area"),
        ("in random order", "▁▃▅▆█", "50.00%", "60.00%", "70.00%", "60.00%"),
        ("best first", "▁▆▇██", "50.00%", "68.00%", "70.00%", "65.25%"),
    ]
    assert table.fitted(0).texts[1] == ("best first", "50.00%", "68.00%", "70.00%", "65.25%")


def test_an_order_that_was_not_measured_has_no_row() -> None:
    assert len(backfill_table({**BACKFILL, "best_first": None}).rows) == 1


@pytest.mark.parametrize("nothing", [None, {}, {"fractions": [], "random": []}])
def test_nothing_to_re_index(nothing: dict[str, Any] | None) -> None:
    assert backfill_table(nothing) is None


def test_a_flat_curve_has_the_lowest_bars() -> None:
    assert spark([0.5, 0.5], 0.5, 0.5) == "▁▁"
