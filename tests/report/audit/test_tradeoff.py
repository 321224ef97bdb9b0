"""Charts of quality against cost."""

from __future__ import annotations

from dataclasses import replace

from helpers.audits import arrangement, made_audit, real_audit

from clsim.report.audit.tradeoff import plotted_tradeoff, tradeoffs


def test_the_most_telling_known_cost_is_drawn() -> None:
    assert [chart.price.key for chart in tradeoffs(real_audit())] == ["embed_money", "query_ms_p50"]
    assert [chart.price.key for chart in tradeoffs(made_audit())] == ["embedded_items", "query_ms_p50"]
    timed = replace(made_audit(), arrangements=tuple(
        arrangement(name, value, embed_seconds=seconds)
        for name, value, seconds in (("do_nothing", 0.5, 0.0), ("full_reindex", 0.9, 60.0))
    ))  # fmt: skip
    assert [chart.price.key for chart in tradeoffs(timed)] == ["embed_seconds"]


def test_every_arrangement_is_a_point_with_its_figures() -> None:
    audit = real_audit()
    for chart in tradeoffs(audit):
        assert len(chart.points) == len(audit.arrangements)
        drawn = plotted_tradeoff(chart)["data"]
        points = {
            (x, y, y + high, y - low)
            for trace in drawn
            if trace["mode"] == "markers"
            for x, y, high, low in zip(
                trace["x"], trace["y"], trace["error_y"]["array"], trace["error_y"]["arrayminus"], strict=True
            )
        }
        expected = {(point.cost, *point.quality[:1]) for point in chart.points}
        assert {point[:2] for point in points} == expected
        for x, y, high, low in points:
            (near,) = {p.quality for p in chart.points if (p.cost, p.quality.value) == (x, y)} or [None]
            assert abs(near.high - high) < 1e-12 and abs(near.low - low) < 1e-12
        assert len(chart.table.rows) == len(audit.arrangements)


def test_the_front_goes_up_with_the_cost() -> None:
    chart = tradeoffs(made_audit())[0]
    assert [(point.cost, point.quality.value) for point in chart.front] == [(0, 0.87), (500, 0.88), (1000, 0.9)]
    line = plotted_tradeoff(chart)["data"][-1]
    assert (line["x"], line["y"]) == ([0, 500, 1000], [0.87, 0.88, 0.9])
    marked = {row[0].text: row[-1].text for row in chart.table.rows if row[1].text != "procrustes"}
    assert [name for name, mark in marked.items() if mark == "yes"] == [
        "bridge the queries",
        "partial, popular first",
        "re-index everything",
    ]


def test_the_best_bridge_of_each_is_named_and_others_are_not() -> None:
    names = [trace["name"] for trace in plotted_tradeoff(tradeoffs(made_audit())[0])["data"]]
    assert names[0] == "other bridges" and "bridge the queries, ridge" in names
    assert "bridge the queries, procrustes" not in names


def test_an_arrangement_below_the_axis_is_named() -> None:
    chart = tradeoffs(made_audit())[0]
    low, high = chart.y_range
    assert 0.1 < low < 0.49 and 0.91 < high < 1
    assert any("naive swap (10.00%)" in note for note in chart.notes)
    inside = [p for p in chart.points if p.arrangement.name != "naive_swap"]
    assert all(low < p.quality.low and p.quality.high < high for p in inside)
    assert chart.x_range[0] < 0 < 1000 < chart.x_range[1]


def test_passes_of_a_cascade_are_named_since_the_axis_does_not_show_them() -> None:
    notes = tradeoffs(real_audit())[0].notes
    assert any("cascade needs 52 passes" in note for note in notes)


def test_one_cost_for_all_has_an_axis_with_an_extent() -> None:
    same = tuple(replace(each, cost=replace(each.cost, embedded_items=0)) for each in made_audit().arrangements)
    for chart in tradeoffs(replace(made_audit(), arrangements=same)):
        assert chart.x_range[0] < chart.x_range[1]
