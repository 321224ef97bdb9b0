"""Several runs of one scenario: which runs, where they go, what is left out."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers.desk import make_desk

from clsim.config import load_scenario
from clsim.results.run_directory import Results
from clsim.sweep.series import read_seeds, run_series
from clsim.utils.errors import UserError, WeightsMissing


class Runner(ModuleType):
    """Stands in for the API: stores the arguments of each run."""

    def __init__(self) -> None:
        super().__init__("clsim.api")
        self.asked: list[tuple[Any, ...]] = []
        self.stands_in_for: dict[str, str] | None = None
        self.missing: str | None = None

    def run(self, scenario: str, strategy: str | None, **options: Any) -> Results:
        if strategy is not None and strategy == self.missing:
            raise WeightsMissing("no weights here")
        self.asked.append(
            (scenario, strategy, options["seed"], options["out"], options["overrides"], options["strict"])
        )
        results = Results("test", strategy or "toy", options["seed"], Path("out"), stands_in_for=self.stands_in_for)
        results.sessions.append({"accuracy": 0.5})
        results.accuracy_matrix.append([0.5])
        results.test_images.append(1)
        return results


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.chdir(tmp_path)
    make_desk(tmp_path)
    fake = Runner()
    monkeypatch.setitem(sys.modules, "clsim.api", fake)
    return fake


TEST, STAND_IN = "scenarios/test.yaml", "stand_in"


def test_every_seed_and_every_reference_runs_and_has_a_place(
    runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    run_series(load_scenario("test"), seeds=[1, 2], out=Path("out"))
    assert [asked[:4] for asked in runner.asked] == [
        (TEST, None, 1, Path("out/seed1")),
        (TEST, None, 2, Path("out/seed2")),
        (TEST, "floor", 1, Path("out/floor/seed1")),
        (TEST, "floor", 2, Path("out/floor/seed2")),
    ]
    printed = capsys.readouterr().out
    assert "toy" in printed
    assert "floor" in printed


@pytest.mark.parametrize("change", [{"strategy": "floor"}, {"overrides": ["strategy=floor"]}])
def test_another_strategy_runs_alone(runner: Runner, change: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run_series(load_scenario("test"), seeds=[1], out=Path("out"), **change)
    assert [(asked[0], asked[3]) for asked in runner.asked] == [(TEST, Path("out"))]
    assert not capsys.readouterr().out  # nothing to compare


def test_references_that_are_asked_for_run_beside_another_strategy_too(runner: Runner) -> None:
    changes = ["references=[toy]"]
    run_series(load_scenario("test", changes, strategy="floor"), seeds=[1], strategy="floor", overrides=changes)
    assert [asked[1] for asked in runner.asked] == ["floor", "toy"]


def test_references_take_over_the_changes_that_concern_them_and_never_stand_in(runner: Runner) -> None:
    changes = ["stream.shots=1", "strategy.lr=2", "strategy.epochs=3"]
    run_series(load_scenario("test", changes), seeds=[1], overrides=changes)
    assert [asked[4] for asked in runner.asked] == [changes, ["stream.shots=1", "strategy.lr=2"]]
    assert [asked[5] for asked in runner.asked] == [False, True]


def test_after_a_stand_in_its_own_references_run_on_it(runner: Runner) -> None:
    runner.stands_in_for = {"scenario": "test", "because": "no data"}
    changes = ["stream.shots=1", "strategy.lr=2"]
    run_series(load_scenario("test", changes), seeds=[1], overrides=changes)
    assert [(asked[0], asked[1], asked[4]) for asked in runner.asked] == [
        (TEST, None, changes),
        (STAND_IN, "floor", ["strategy.lr=2"]),
    ]


def test_references_of_a_stand_in_have_the_seeds_of_the_run_before_them(runner: Runner) -> None:
    path = Path("scenarios/stand_in.yaml")
    path.write_text(path.read_text().replace("natural", "drawn") + "seeds: {initialisation: 8}\n")
    runner.stands_in_for = {"scenario": "test", "because": "no data"}
    changes = ["seeds.order=1", "seeds.classes=2", "seeds.shots=3", "stream.splits=drawn", "stream.class_order=drawn"]
    run_series(load_scenario("test", changes), seeds=[1], overrides=changes)
    assert runner.asked[1][4] == ["seeds.initialisation=null", "seeds.order=1", "seeds.classes=2"]
    loaded = load_scenario("stand_in", runner.asked[1][4])
    assert loaded.seeds.model_dump() == {"initialisation": None, "order": 1, "classes": 2, "shots": None}


def test_references_have_the_seeds_of_the_run_before_them(runner: Runner) -> None:
    changes = ["seeds.order=1"]
    run_series(load_scenario("test", changes), seeds=[1], overrides=changes)
    assert [asked[4] for asked in runner.asked] == [changes, changes]


def test_a_reference_without_weights_is_left_out_aloud(runner: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    runner.missing = "floor"
    finished = run_series(load_scenario("test"), seeds=[1])
    assert [[results.strategy for results in seeds] for seeds in finished] == [["toy"]]
    assert "the reference floor is left out: no weights here" in capsys.readouterr().err


def test_json_output_has_no_table(runner: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    run_series(load_scenario("test"), seeds=[1, 2], mode="json")
    assert not capsys.readouterr().out


def test_seeds_are_read() -> None:
    assert read_seeds(["42", " 13", "0", "4294967295"]) == [42, 13, 0, 4294967295]


@pytest.mark.parametrize("text", ["", "x", "-1", "4294967296", "1.0", "٣", "9" * 5000])
def test_wrong_seeds_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not a seed"):
        read_seeds(["1", text])
    with pytest.raises(UserError, match="appears twice"):
        read_seeds(["1", "1"])


UPGRADE = """\
stream: {kind: upgrade, dataset: shapes, classes: [50, 100]}
strategy: toy
evaluation:
  compatibility: {images: stream, query: test, gallery: test, criterion: cmc@5}
references: [floor]
"""


def test_the_comparison_is_told_of_upgrades_by_the_scenario_that_ran(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(
        "clsim.report.console.series_table.series_table", lambda *_, upgrades_by: told.append(upgrades_by)
    )
    Path("scenarios/new.yaml").write_text(UPGRADE)
    for name in ("new", "test"):
        run_series(load_scenario(name), seeds=[1])
    Path("scenarios/far.yaml").write_text(UPGRADE + "otherwise: stand_in\n")
    runner.stands_in_for = {"scenario": "far", "because": "no data"}
    run_series(load_scenario("far"), seeds=[1])
    assert told == ["cmc@5", None, None]
