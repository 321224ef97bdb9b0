"""The page says what the run's files say, obeys nothing that stands in them, and asks the network for nothing."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from helpers.errors import refused
from helpers.read_page import Page
from helpers.unkind import ATTACK, PUBLISHED, QUOTED

from clsim.report.html.content import Chart, Line
from clsim.report.html.page import page, plotted
from clsim.report.html.run_view import view_runs

Made = Callable[..., Path]
KINDS = ("fscil", "replacement", "upgrade")
every_kind = pytest.mark.parametrize("kind", KINDS)


def read(*runs: Path) -> Page:
    return Page(page(view_runs(runs)))


@every_kind
def test_the_figures_are_those_of_the_results(made: Made, results: Callable[[Path], dict[str, Any]], kind: str) -> None:
    found, told = read(made(kind)), results(made(kind))
    records = told["sessions"]
    assert found.lines("run-1", "accuracy")[told["strategy"]] == [record["accuracy"] for record in records]
    parts = found.lines("run-1", "base_and_novel")
    assert parts["novel classes"] == [record["novel_accuracy"] for record in records]
    assert parts["harmonic mean"] == [record["harmonic_mean"] for record in records]
    assert found.tables["run-1", "accuracy_matrix"].values == told["accuracy_matrix"]
    matrix = [[value for value in row if value is not None] for row in told["compatibility_matrix"]]
    assert found.tables["run-1", "compatibility_matrix"].values == matrix
    forgotten = found.lines("run-1", "forgetting")
    assert forgotten["from the best earlier accuracy"][1:] == [r["forgetting"]["from_best"] for r in records[1:]]
    flips = found.lines("run-1", "flips")
    assert flips["negative flips"] == [r["compatibility"]["negative_flip_rate"] for r in records]
    losses = [loss for line in found.lines("run-1", "loss").values() for loss in line]
    assert losses == [loss for record in records for loss in record["training"]["loss"]]
    assert found.lines("run-1", "seconds")["training"] == [record["train_seconds"] for record in records]
    assert found.lines("run-1", "memory")["peak"] == [record["peak_memory_bytes"] for record in records]
    shown = {"final accuracy": "final_accuracy", "average compatibility (AC)": "ac"}
    assert {name: found.headlines["run-1"][name] for name in shown} == {
        name: told["summary"][key] for name, key in shown.items()
    }


@every_kind
def test_the_table_of_records_has_every_session(
    made: Made, results: Callable[[Path], dict[str, Any]], kind: str
) -> None:
    table, records = read(made(kind)).tables["run-1", "sessions"], results(made(kind))["sessions"]
    for heading, key in {"accuracy": "accuracy", "training time, s": "train_seconds", "seen": "seen_classes"}.items():
        assert table.column(heading) == [record[key] for record in records]
    assert ("model replaced by" in table.headings) == any(record["replaced_by"] for record in records)


def test_the_service_is_drawn_with_its_backfill(made: Made, results: Callable[[Path], dict[str, Any]]) -> None:
    found, records = read(made("replacement")), results(made("replacement"))["sessions"]
    assert found.lines("run-1", "service")["as stored"] == [record["service"]["accuracy"] for record in records]
    backfill = found.charts["run-1", "backfill"]["data"]
    assert backfill[0]["y"] == records[-1]["service"]["backfill"]["best_first"]
    assert backfill[1]["x"] == records[-1]["service"]["backfill"]["fractions"]
    assert ("run-1", "service") not in read(made("fscil")).charts
    assert "2 (new model)" in found.text and "0 (new model)" not in found.text


def test_below_every_chart_stand_its_figures(made: Made) -> None:
    found = read(made("replacement"))
    assert len(found.charts) >= 10
    for place, chart in found.charts.items():
        table = found.tables[place]
        for number, trace in enumerate(chart["data"], start=1):
            below = {row[0][1]: row[number][1] for row in table.rows}
            assert {x: y for x, y in zip(trace["x"], trace["y"], strict=True) if y is not None} == {
                x: y for x, y in below.items() if y is not None
            }


def test_published_rows_are_reference_lines(made: Made) -> None:
    found = read(made("fscil"))
    traces = {trace["name"]: trace for trace in found.charts["run-1", "accuracy"]["data"]}
    assert [trace["line"]["dash"] == "solid" for trace in traces.values()] == [True, False, False]
    assert traces["stationary, published"]["y"] == PUBLISHED["stationary"]["accuracy"]
    assert "AM 60.00%, A paper" in found.text
    assert "http://example.org/paper" in found.text


def test_every_matrix_of_image_text_models_is_there(captioned: Path) -> None:
    told, found = json.loads((captioned / "results.json").read_text()), read(captioned)
    assert len(told["matrices"]) == 4
    for name, rows in told["matrices"].items():
        shown = found.tables["run-1", f"matrix_{name}"].values
        assert shown == [[value for value in row if value is not None] for row in rows]
    assert ("run-1", "accuracy_matrix") not in found.tables
    assert ("run-1", "worst_classes") not in found.tables


def test_a_pair_that_is_not_compatible_is_marked(made: Made) -> None:
    run = made("replacement")
    told = json.loads((run / "results.json").read_text())["compatibility_matrix"]
    low = sum(told[i][j] <= told[j][j] for i in range(3) for j in range(i))
    marked = [text for row in read(run).tables["run-1", "compatibility_matrix"].rows for text, _ in row if "▽" in text]
    assert len(marked) == low > 0


def test_the_worst_classes_and_what_they_were_taken_for(made: Made) -> None:
    run = made("fscil")
    noted = json.loads((run / "confusion.json").read_text())["classes"]
    found = read(run)
    table = found.tables["run-1", "worst_classes"]
    shares = [share for share in table.column("recall, %") if share is not None]
    assert shares == sorted(entry["correct"] / entry["images"] for entry in noted)[: len(shares)]
    assert sum(tag == "img" for tag, _ in found.tags) == sum(len(entry["examples"]) for entry in noted) > 0
    assert all(given["alt"] for tag, given in found.tags if tag == "img")


def test_nothing_in_a_name_is_obeyed(made: Made) -> None:
    text = page(view_runs([made("fscil"), made("replacement")]))
    found = Page(text)
    # Ours, the library, and one block of figures for every chart.
    assert sum(tag == "script" for tag, _ in found.tags) == 2 + len(found.charts)
    assert set(found.scripts) == {"library", "ours"}
    assert not [key for _, given in found.tags for key in given if key.startswith("on")]
    assert all((given["src"] or "").startswith("data:") for tag, given in found.tags if tag == "img")
    assert ATTACK not in text and "\u202e" not in text and "\udcff" not in text
    assert ATTACK in found.text  # as text it is there
    assert QUOTED in found.text  # and no template was run in it
    names = [trace["name"] for chart in found.charts.values() for trace in chart["data"]]
    assert "other'\"&gt;&lt;img src=x onerror=alert(2)&gt;{{ 7 * 7 }}&lt;/script&gt;, published" in names
    text.encode()


def test_it_asks_the_network_for_nothing(made: Made) -> None:
    found = read(made("fscil"), made("replacement"))
    asked = [given[key] or "" for _, given in found.tags for key in ("src", "href", "action", "data") if key in given]
    assert asked
    assert all(address.startswith("data:") for address in asked)
    styles = found.styles + "".join(given.get("style") or "" for _, given in found.tags)
    assert not re.search(r"url\(|@import|https?:", styles)
    assert not re.search(r"https?:|fetch\(|XMLHttpRequest|import\(", found.scripts["ours"])
    (policy,) = (g["content"] or "" for t, g in found.tags if g.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy and "*" not in policy and "unsafe-eval" not in policy


def test_the_library_in_it_is_the_one_installed(made: Made) -> None:
    packed = base64.b64decode(read(made("upgrade")).scripts["library"])
    assert gzip.decompress(packed) == (files("plotly") / "package_data" / "plotly.min.js").read_bytes()


def test_the_same_run_gives_the_same_page(made: Made) -> None:
    assert page(view_runs([made("upgrade")])) == page(view_runs([made("upgrade")]))


def test_runs_side_by_side(made: Made, results: Callable[[Path], dict[str, Any]]) -> None:
    runs = [made("fscil"), made("fscil", 2), made("replacement")]
    found, told = read(*runs), [results(run) for run in runs]
    labels = ["fscil · stationary · seed 1", "fscil · stationary · seed 2", "replacement · replay"]
    lines = found.lines("all", "accuracy")
    assert list(lines)[:3] == labels
    assert [lines[label] for label in labels] == [[r["accuracy"] for r in each["sessions"]] for each in told]
    finals = [each["summary"]["final_accuracy"] for each in told]
    assert found.tables["all", "runs"].column("final accuracy") == finals
    assert f"{runs[2]}: not of one experiment: scenario " in found.text  # so that nothing is averaged
    tabs = [given["aria-controls"] for tag, given in found.tags if given.get("role") == "tab"]
    assert tabs == [given["id"] for tag, given in found.tags if tag == "article"] == ["all", "run-1", "run-2", "run-3"]
    assert found.tables["run-3", "accuracy_matrix"].values == told[2]["accuracy_matrix"]
    assert "3 runs" in found.text


def test_runs_of_one_name_are_told_apart_by_their_directories(made: Made, tmp_path: Path) -> None:
    copy = shutil.copytree(made("upgrade"), tmp_path / "copy")
    one, other = (run.label for run in view_runs([made("upgrade"), copy]))
    assert one != other and str(copy) in other


def test_a_stand_in_and_a_run_that_ended_early_are_said_aloud(made: Made, tmp_path: Path) -> None:
    run = shutil.copytree(made("upgrade"), tmp_path / "run")
    calm = read(run)
    assert "Stand-in" not in calm.text and "This run is incomplete" not in calm.text
    told = json.loads((run / "results.json").read_text())
    told |= {"status": "failed", "stands_in_for": {"scenario": ATTACK, "because": "it is not here", "fix": "buy it"}}
    (run / "results.json").write_text(json.dumps(told))
    found = read(run)
    assert "Stand-in" in found.texts and f"upgrade runs in place of {ATTACK}." in found.texts
    assert "failed" in found.texts and "This run is incomplete" in found.text
    both = read(run, made("fscil"))
    assert "in place of" in both.text[: both.text.index("Summaries")]


def test_a_run_that_was_killed_before_its_first_session_has_a_page_too(made: Made, tmp_path: Path) -> None:
    run = shutil.copytree(made("fscil"), tmp_path / "run")
    for name in ("results.json", "sessions.jsonl", "confusion.json"):
        (run / name).unlink()
    found = read(run)
    assert "No session ended." in found.text
    assert not found.charts
    assert "hashes.clsim source" in found.text


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"session": 0, "classes": [{"class": 1}]}',
        json.dumps(
            {
                "session": 0,
                "classes": [
                    {"class": 0, "name": "x", "images": 2, "correct": 0, "mistaken_for": [],
                     "examples": ["http://example.org/a.png"]}
                ],
            }
        ),
    ],
    ids=["no json", "a list", "keys missing", "a picture elsewhere"],
)  # fmt: skip
def test_a_damaged_record_of_confusion_is_refused(made: Made, tmp_path: Path, content: str) -> None:
    run = shutil.copytree(made("fscil"), tmp_path / "run")
    (run / "confusion.json").write_text(content)
    with refused(names=("confusion.json",)):
        read(run)


def test_an_axis_reaches_below_nothing_where_something_was_gained() -> None:
    def axis(*values: float) -> dict[str, Any]:
        return plotted(Chart("c", "t", "session", "points lost", (Line("a", (0, 1), values),)))["layout"]["yaxis"]

    assert axis(0.01, 0.02)["rangemode"] == "nonnegative"
    assert axis(-0.018, 0.001)["rangemode"] == "normal"
    assert axis(-0.018, 0.001)["tickformat"] == "~%"  # as many decimals as steps of less than a point need
