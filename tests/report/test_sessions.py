from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clsim.experiment.events import RunInfo
from clsim.report.html.charts import custom_charts
from clsim.report.sessions import sessions_table, summary_table
from clsim.results import figures as registry
from clsim.results.figures import Figure, at

Make = Callable[..., Any]


def names(table: Any) -> list[str]:
    return list(table.headings)


def test_every_figure_of_a_session(results: Make, published: list[float]) -> None:
    table = sessions_table(results(2)["sessions"], published)
    assert dict(zip(names(table), table.texts[1], strict=True)) == {
        "session": "1",
        "classes": "65",
        "accuracy": "85.12%",
        "published": "85.86%",
        "differs (points)": "-0.74",
        "base": "89.00%",
        "novel": "59.00%",
        "harmonic mean": "70.96%",
        "forgetting from best": "1.23%",
        "forgetting from first": "1.11%",
        "time": "12 s",
        "images/s": "1,234",
    }


def test_what_the_first_session_lacks_is_a_dash(results: Make) -> None:
    row = sessions_table(results(1)["sessions"]).texts[0]
    assert row == ("0", "60", "87.12%", "90.00%", "-", "-", "-", "-", "12 s", "1,234")


def test_a_record_of_nones_is_all_dashes() -> None:
    row = sessions_table([{"session": 3, "accuracy": None, "forgetting": None}], [0.5]).texts[0]
    assert row == ("3", *["-"] * 11)


def test_a_published_row_may_be_shorter_than_the_run(results: Make) -> None:
    table = sessions_table(results(2)["sessions"], [0.5])
    assert table.texts[1][3:5] == ("-", "-")


@pytest.mark.parametrize("width", [40, 60, 76, 96, 136])
def test_a_fitted_table_is_no_wider_and_keeps_the_accuracy(results: Make, published: list[float], width: int) -> None:
    whole = sessions_table(results(9)["sessions"], published)
    table = whole.fitted(width)
    assert table.width <= width
    assert names(table)[:3] == ["session", "classes", "accuracy"]
    assert (table == whole) == (whole.width <= width)


def test_images_per_second_go_first() -> None:
    whole = sessions_table([{"session": 0}])
    assert names(whole.fitted(whole.width - 1)) == names(whole)[:-1]


def test_latest_keeps_the_first_and_the_last(results: Make) -> None:
    table = sessions_table(results(31)["sessions"]).latest(5)
    assert [row[0] for row in table.texts] == ["0", "⋮", "28", "29", "30"]
    assert len(table.latest(5).rows) == 5


def test_the_summary_has_the_published_average_and_drop(
    results: Make, info: Callable[..., RunInfo], published: list[float]
) -> None:
    rows = {name: rest for name, *rest in summary_table(results(9), info(published=published)).texts}
    assert rows["average accuracy"] == ["79.12%", "83.42%", "-4.30"]
    assert rows["average accuracy, weighted"] == ["56.78%", "-", "-"]
    assert rows["final accuracy"] == ["71.12%", "80.52%", "-9.40"]
    assert rows["performance drop"] == ["16.00%", "7.31%", "+8.69"]
    assert rows["average forgetting"] == ["3.45%", "-", "-"]


def test_a_run_longer_than_the_published_row_has_no_published_summary(
    results: Make, info: Callable[..., RunInfo]
) -> None:
    assert summary_table(results(3), info(published=[0.9, 0.8])).texts[0][2:] == ("-", "-")


def test_compatibility_has_columns_where_it_is_measured(compatible: Make, results: Make) -> None:
    known = dict(zip(names(table := sessions_table(compatible()["sessions"])), table.texts[-1], strict=True))
    assert {name: known[name] for name in ("self-test", "AC", "AM", "negative flips", "positive flips")} == {
        "self-test": "77.16%",
        "AC": "95.24%",
        "AM": "68.90%",
        "negative flips": "3.72%",
        "positive flips": "6.41%",
    }
    assert table.texts[0][names(table).index("AC")] == "-"
    assert "AC" not in names(sessions_table(results(3)["sessions"]))
    assert names(table.fitted(50))[-2:] == ["AC", "AM"]


def test_ac_and_am_have_rows_only_where_they_are_known(
    compatible: Make, results: Make, info: Callable[..., RunInfo]
) -> None:
    run = info(sessions=7, published_compatibility={"ac": 0.95, "am": 0.69})
    assert summary_table(compatible(), run).texts[-2:] == [
        ("average compatibility (AC)", "95.24%", "95.00%", "+0.24"),
        ("average multi-model accuracy (AM)", "68.90%", "69.00%", "-0.10"),
    ]
    assert [row[0] for row in summary_table(results(9), info()).texts] == [
        "final accuracy",
        "average accuracy",
        "average accuracy, weighted",
        "performance drop",
        "average forgetting",
    ]


def test_a_run_that_stopped_early_is_not_compared_with_a_whole_one(
    compatible: Make, info: Callable[..., RunInfo]
) -> None:
    run = info(sessions=7, published_compatibility={"ac": 0.95, "am": 0.69})
    assert summary_table(compatible(4), run).texts[-1][2:] == ("-", "-")


def test_published_figures_of_versions_have_rows_where_the_run_has_them(
    compatible: Make, info: Callable[..., RunInfo]
) -> None:
    theirs = {"self_test": 0.77, "cmc@1.new_old": 0.75, "map.new_old": 0.5}
    run = info(sessions=7, published_compatibility=theirs, upgrades_by="cmc@1")
    assert summary_table(compatible(), run).texts[-2:] == [
        ("self-test at the end", "77.16%", "77.00%", "+0.16"),
        ("cmc@1, new/old", "76.65%", "75.00%", "+1.65"),
    ]


def test_a_registered_figure_has_a_column_and_a_chart(results: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    registry.register(Figure("margin", "mean margin", unit="number", better=None, session=at("margin"), importance=20))
    records = [{**record, "margin": 0.5} for record in results(2)["sessions"]]
    table = sessions_table(records)
    assert table.texts[1][names(table).index("mean margin")] == "0.5"
    (chart,) = custom_charts(records)
    assert (chart.title, chart.unit, chart.lines[0].y) == ("mean margin", "number", (0.5, 0.5))
