"""Strategies over seeds on the page: what `clsim compare` says, or why it says nothing."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.handmade import OURS, Make
from helpers.read_page import Page, Table
from helpers.unkind import ATTACK

from clsim.report.compare import compare
from clsim.report.html.content import Chart, Line
from clsim.report.html.page import page, plotted
from clsim.report.html.pictures import picture
from clsim.report.html.run_view import view_runs
from clsim.report.html.write import write_tables

ROW = [0.9, 0.8, 0.7]
PUBLISHED = {
    "ours": {"accuracy": [0.95, 0.85, 0.75], "source": "a paper"},
    "absent": {"accuracy": [0.5, 0.4, 0.3], "source": "another"},
}


def read(*runs: Path) -> Page:
    return Page(page(view_runs(runs)))


def row(table: Table, *names: str) -> dict[str, tuple[str, float | None]]:
    """The row of a figure and a strategy, or pair, by heading."""
    (found,) = (row for row in table.rows if tuple(text for text, _ in row[:2]) == names)
    return dict(zip(table.headings, found, strict=True))


def test_figures_are_those_of_the_comparison(two: list[Path]) -> None:
    table, found = read(*two).tables["all", "strategies"], compare(two)
    assert table.headings == ["figure", "strategy", "seeds", "mean", "deviation", "95 % from", "95 % to"]
    for strategy in found.strategies:
        n, mean, deviation, interval = strategy.spreads["final_accuracy"]
        shown = row(table, "final accuracy", strategy.name)
        assert shown["seeds"] == (str(n), n)
        exact = [shown[heading][1] for heading in table.headings[3:]]
        assert exact == [mean, deviation, *(interval or ())]
    assert row(table, "final accuracy", "ours")["95 % from"][0] == "67.03"
    assert len(table.rows) == 2 * 4  # figures by session stand below the chart


def test_differences_in_pairs_with_both_p_values(two: list[Path], make: Make) -> None:
    table = read(*two).tables["all", "differences"]
    assert table.headings[-2:] == ["p (t)", "p (flips)"]
    shown = row(table, "final accuracy", "ours - theirs")
    assert {heading: text for heading, (text, _) in shown.items()} == {
        "figure": "final accuracy",
        "difference": "ours - theirs",
        "seeds": "3",
        "mean": "+8.00",
        "deviation": "2.00",
        "95 % from": "+3.03",
        "95 % to": "+12.97",
        "p (t)": "0.0202",
        "p (flips)": "0.2500",
    }
    three = [*two, *(make("third", seed, [0.9, 0.8, 0.7 - 0.01 * seed]) for seed in OURS)]
    found = read(*three)
    table, exact = found.tables["all", "differences"], compare(three).pairs
    assert table.headings[-4:] == ["p (t)", "Holm (t)", "p (flips)", "Holm (flips)"]
    for pair in exact:
        tested = pair.figures["final_accuracy"]
        shown = row(table, "final accuracy", f"{pair.first} - {pair.second}")
        assert shown["mean"][1] == tested.difference.mean
        assert shown["Holm (t)"][1] == tested.t_test_holm
        assert shown["Holm (flips)"][1] == tested.sign_flips_holm
    assert "Holm: p corrected for 3 pairs of strategies, figure by figure" in found.texts


def test_means_by_session_with_their_intervals_and_published_rows(make: Make) -> None:
    runs = [make("ours", seed, [0.9, 0.8, final], scenario={"published": PUBLISHED}) for seed, final in OURS.items()]
    found, spreads = read(*runs), compare(runs).strategies[0].spreads
    ours, *references = found.charts["all", "strategies_accuracy"]["data"]
    assert ours["y"] == [spreads[f"accuracy.{session}"].mean for session in range(3)]
    for session in range(3):
        low, high = spreads[f"accuracy.{session}"].interval or (0, 0)
        assert ours["y"][session] - ours["error_y"]["arrayminus"][session] == pytest.approx(low)
        assert ours["y"][session] + ours["error_y"]["array"][session] == pytest.approx(high)
    assert ours["customdata"][2] == ", 67.03% to 76.97%"
    assert {each["name"]: each["y"] for each in references} == {
        f"{name}, published": told["accuracy"] for name, told in PUBLISHED.items()
    }
    assert not any("error_y" in each for each in references)
    below = found.tables["all", "strategies_accuracy"]
    assert below.headings[:4] == ["session", "ours", "ours, from", "ours, to"]
    assert below.rows[2][2] == ("67.03", pytest.approx(0.6703172, abs=1e-7))
    shown = found.tables["all", "strategies"]
    assert row(shown, "final accuracy", "ours")["published"] == ("75.00", 0.75)
    assert row(shown, "final accuracy", "ours")["differs"] == ("-3.00", pytest.approx(-0.03))
    assert row(shown, "final accuracy", "absent")["published"][0] == "30.00"
    assert "ours, published: a paper" in found.texts


def test_an_interval_of_few_seeds_does_not_squeeze_the_chart() -> None:
    wide = Chart("c", "t", "session", "accuracy", (Line("a", (0, 1), (0.5, 0.6), bounds=((-3.0, 4.0), None)),))
    assert plotted(wide)["layout"]["yaxis"]["autorangeoptions"]["clipmax"] == pytest.approx(1.04)
    assert plotted(wide)["data"][0]["error_y"]["array"] == [3.5, None]
    (axes,) = picture(wide).axes
    assert axes.get_ylim() == (0.0, 1.04)
    narrow = Chart("c", "t", "session", "accuracy", (Line("a", (0, 1), (0.5, 0.6)),))
    assert "autorangeoptions" not in plotted(narrow)["layout"]["yaxis"]


def test_pictures_have_the_intervals_too() -> None:
    chart = Chart("c", "t", "session", "accuracy", (Line("a", (0, 1), (0.5, 0.6), bounds=((0.4, 0.7), (0.5, 0.7))),))
    (axes,) = picture(chart).axes
    line, *bars = axes.lines
    assert tuple(line.get_ydata()) == (0.5, 0.6)
    assert [(tuple(bar.get_xdata()), tuple(bar.get_ydata())) for bar in bars] == [
        ((0, 0), (0.4, 0.7)),
        ((1, 1), (0.5, 0.7)),
    ]


def test_one_seed_has_no_interval(make: Make) -> None:
    found = read(make("ours", 1, ROW), make("theirs", 1, [0.9, 0.8, 0.6]))
    assert ("all", "strategies_accuracy") not in found.charts  # the runs themselves are drawn
    assert "deviation" not in found.tables["all", "strategies"].headings
    assert row(found.tables["all", "differences"], "final accuracy", "ours - theirs")["mean"][0] == "+10.00"
    assert "ours - theirs: one common seed gives no interval and no p" in found.texts


def test_one_run_has_nothing_to_average(make: Make) -> None:
    assert "Strategies over seeds" not in read(make("ours", 1, ROW)).text


def test_runs_of_two_experiments_are_shown_but_not_averaged(make: Make) -> None:
    first, second = make("ours", 1, ROW), make("ours", 2, [0.9, 0.6], scenario={"on_nan": "skip"})
    found = read(first, second)
    assert f"{second}: not of one experiment: scenario on_nan: skip here, stop in {first}" in found.texts
    assert "There are no averages, since these runs cannot be compared:" in found.texts
    assert {name for panel, name in found.tables if panel == "all"} == {"runs", "accuracy"}
    assert found.lines("all", "accuracy") == {"ours · seed 1": ROW, "ours · seed 2": [0.9, 0.6]}


def test_only_the_first_of_many_differences_are_named(make: Make) -> None:
    found = read(make("ours", 1, ROW), *(make("ours", 2, ROW) for _ in range(8)))
    assert sum("ours with seed 2 is also in" in text for text in found.texts) == 5
    assert "and 2 more, which `clsim compare` lists." in found.texts


def test_what_ended_early_counts_as_far_as_it_went(make: Make) -> None:
    whole, broken = make("ours", 1, ROW), make("ours", 2, [0.7, 0.6], status="interrupted")
    begun = make("ours", 3, ROW)
    (begun / "results.json").unlink()
    found = read(whole, broken, begun)
    assert row(found.tables["all", "strategies"], "final accuracy", "ours")["seeds"][1] == 1
    assert found.lines("all", "strategies_accuracy")["ours"] == [pytest.approx(0.8), pytest.approx(0.7), 0.7]
    assert found.charts["all", "strategies_accuracy"]["data"][0]["error_y"]["array"][2] is None
    assert any(text.startswith("ours, seed 2: interrupted after 2 sessions") for text in found.texts)
    assert "ours · seed 3: omitted here, since no session ended." in found.texts
    (whole / "results.json").unlink()
    (broken / "results.json").unlink()
    assert "ours · seed 1: omitted here, since no session ended." in read(whole, broken).texts


def test_a_file_that_was_changed_by_hand_is_not_averaged(make: Make) -> None:
    runs = [make("ours", 1, ROW), make("ours", 2, ROW, manifest={"files": {"results.json": "0" * 64}})]
    found = read(*runs)
    assert f"{runs[1] / 'results.json'}: this file was changed after the run" in found.texts
    assert ("all", "strategies") not in found.tables


def test_nothing_in_a_name_is_obeyed(make: Make) -> None:
    published = {"published": {ATTACK: {"accuracy": ROW, "source": ATTACK}}}
    told = {"scenario": published, "stands_in_for": {"scenario": ATTACK, "because": ATTACK}}
    runs = [make(name, seed, ROW, **told) for name in (ATTACK, "theirs") for seed in (1, 2)]
    refused = make("theirs", 3, ROW, scenario={**published, "on_nan": "skip"}, manifest={"clsim": ATTACK})
    for found in (read(*runs), read(*runs, refused)):
        assert sum(tag == "script" for tag, _ in found.tags) == 2 + len(found.charts)
        assert not [key for _, given in found.tags for key in given if key.startswith("on")]
    assert ATTACK in read(*runs).text
    assert row(read(*runs).tables["all", "strategies"], "final accuracy", "theirs")["mean"][0] == "70.00"


def test_figures_that_no_run_writes_break_nothing(two: list[Path]) -> None:
    for path, value in zip(two, (1e308, -1e308, 1e308, "x", None, []), strict=True):
        results = json.loads((path / "results.json").read_text())
        results["summary"]["final_accuracy"] = value
        (path / "results.json").write_text(json.dumps(results))
    found = read(*two)
    assert row(found.tables["all", "strategies"], "average accuracy", "ours")["seeds"][1] == 3


HELD_OUT = {"share": 0.2, "seed": 0, "images": 80, "classes": 4}


def test_held_out_images_are_said_and_have_no_published_row_beside_them(make: Make) -> None:
    told = {"validation": HELD_OUT, "scenario": {"published": PUBLISHED, "validation": {"share": 0.2}}}
    runs = [make("ours", seed, ROW, **told) for seed in (1, 2)]
    found = read(*runs)
    says = "Evaluated on 80 training images of 4 classes that were held out (share 0.2, seed 0)"
    assert sum(text.startswith(says) for text in found.texts) == 3  # above each run, and above their means
    assert list(found.lines("all", "strategies_accuracy")) == ["ours"]
    assert list(found.lines("run-1", "accuracy")) == ["ours"]
    assert "a paper" not in found.text
    mixed = read(*runs, make("ours", 3, ROW))
    assert "measured on: test images here, held-out training images" in mixed.text
    assert ("all", "strategies") not in mixed.tables


def test_tables_for_papers_have_them(two: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    assert len(list(write_tables(view_runs([*two[3:], *two[:3]]), folder))) > 9
    rows = list(csv.DictReader((folder / "strategies.csv").open(newline="")))
    (ours,) = (r for r in rows if (r["figure"], r["strategy"]) == ("final accuracy", "ours"))
    assert float(ours["95 % from"]) == pytest.approx(0.6703172, abs=1e-7)
    by_session = list(csv.DictReader((folder / "strategies_accuracy.csv").open(newline="")))
    assert float(by_session[2]["ours, to"]) == pytest.approx(0.7696828, abs=1e-7)
    assert r"% bars: 95 \% intervals of the mean" in (folder / "strategies_accuracy.tex").read_text()
    text = (folder / "differences.tex").read_text()
    assert r"final accuracy & theirs - ours & 3 & $-$8.00 & 2.00 & $-$12.97 & $-$3.03 & 0.0202 & 0.2500 \\" in text
    assert "% p (t): two-sided paired t-test over common seeds" in text
    assert r"| theirs - ours | 3 | -8.00 |" in (folder / "differences.md").read_text()


def test_upgrades_and_self_tests(make: Make) -> None:
    runs = [make("ours", seed, [0.5, 0.6], matrix=[[0.5], [0.55 + 0.05 * seed, 0.75]], matrices={}) for seed in (0, 1)]
    found = read(*runs)
    assert found.lines("all", "strategies_self_test")["ours"] == [0.5, 0.75]
    assert row(found.tables["all", "strategies"], "cmc@1, new/old", "ours")["mean"][1] == pytest.approx(0.575)


def test_real_runs_whose_shots_follow_from_the_seed(made: Callable[..., Path]) -> None:
    runs = [made("fscil"), made("fscil", 2)]
    finals = [json.loads((run / "results.json").read_text())["summary"]["final_accuracy"] for run in runs]
    shown = row(read(*runs).tables["all", "strategies"], "final accuracy", "stationary")
    assert shown["mean"][1] == pytest.approx(sum(finals) / 2)
