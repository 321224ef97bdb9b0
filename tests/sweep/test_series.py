"""Several runs of one scenario: which runs, where they go, what is left out."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers.errors import refused
from helpers.workspace import make_workspace

from clsim.config import Scenario, load_scenario, yaml
from clsim.config.scenario import strategy_name
from clsim.report.console import series_table
from clsim.results.record import SessionRecord
from clsim.results.results import Results
from clsim.sweep.series import read_seeds, run_series
from clsim.utils.errors import UserError, WeightsMissing


class Runner(ModuleType):
    """Stands in for the API: stores the arguments of each run."""

    def __init__(self) -> None:
        super().__init__("clsim.api")
        self.asked: list[tuple[Any, ...]] = []
        self.stands_in_for: dict[str, str] | None = None
        self.missing: str | None = None

    def run(self, scenario: Scenario, **options: Any) -> Results:
        if strategy_name(scenario.strategy) == self.missing:
            raise WeightsMissing("no weights here")
        self.asked.append((scenario, options["out"], options["strict"]))
        name = scenario.selected_strategy.name
        results = Results("test", name, scenario.seed, Path("out"), stands_in_for=self.stands_in_for)
        results.add(SessionRecord(0, accuracy=0.5, accuracy_by_session=[0.5]), 1)
        return results

    @property
    def runs(self) -> list[tuple[str, str, int]]:
        """Scenario, strategy and seed of every run."""
        return [(scenario.name, scenario.selected_strategy.name, scenario.seed) for scenario, *_ in self.asked]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.chdir(tmp_path)
    make_workspace(tmp_path)
    fake = Runner()
    monkeypatch.setitem(sys.modules, "clsim.api", fake)
    return fake


def test_every_seed_and_every_reference_runs_and_has_a_place(
    runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    run_series(load_scenario("test"), seeds=[1, 2], out=Path("out"))
    assert runner.runs == [("test", "toy", 1), ("test", "toy", 2), ("test", "floor", 1), ("test", "floor", 2)]
    folders = ["out/seed1", "out/seed2", "out/floor/seed1", "out/floor/seed2"]
    assert [asked[1] for asked in runner.asked] == [Path(folder) for folder in folders]
    printed = capsys.readouterr().out
    assert "toy" in printed
    assert "floor" in printed


@pytest.mark.parametrize("change", [{"strategy": "floor"}, {"overrides": ["strategy=floor"]}])
def test_another_strategy_runs_alone(runner: Runner, change: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run_series(load_scenario("test", **change), seeds=[1], out=Path("out"))
    assert runner.runs == [("test", "floor", 1)]
    assert runner.asked[0][1] == Path("out")
    assert not capsys.readouterr().out  # nothing to compare


def test_references_that_are_asked_for_run_beside_another_strategy_too(runner: Runner) -> None:
    run_series(load_scenario("test", ["references=[toy]"], strategy="floor"), seeds=[1])
    assert [strategy for _, strategy, _ in runner.runs] == ["floor", "toy"]


def test_references_take_over_the_changes_that_concern_them_and_never_stand_in(runner: Runner) -> None:
    changes = ["stream.shots=1", "strategy.lr=2", "strategy.epochs=3"]
    run_series(load_scenario("test", changes), seeds=[1])
    main, reference = (asked[0] for asked in runner.asked)
    assert main.model_dump() == load_scenario("test", changes, seed=1).model_dump()
    shared = load_scenario("test", ["stream.shots=1", "strategy.lr=2"], strategy="floor", seed=1)
    assert reference.model_dump() == shared.model_dump()
    assert reference.settings["lr"] == 2
    assert [asked[2] for asked in runner.asked] == [False, True]


def test_after_a_stand_in_its_own_references_run_on_it(runner: Runner) -> None:
    runner.stands_in_for = {"scenario": "test", "because": "no data"}
    run_series(load_scenario("test", ["stream.shots=1", "strategy.lr=2"]), seeds=[1])
    assert runner.runs == [("test", "toy", 1), ("stand_in", "floor", 1)]
    shared = load_scenario("stand_in", ["strategy.lr=2"], strategy="floor", seed=1)
    assert runner.asked[1][0].model_dump() == shared.model_dump()


def test_references_of_a_stand_in_have_the_seeds_of_the_run_before_them(runner: Runner) -> None:
    path = Path("scenarios/stand_in.yaml")
    path.write_text(path.read_text().replace("natural", "drawn") + "seeds: {initialization: 8}\n")
    runner.stands_in_for = {"scenario": "test", "because": "no data"}
    changes = ["seeds.order=1", "seeds.classes=2", "seeds.shots=3", "stream.splits=drawn", "stream.class_order=drawn"]
    run_series(load_scenario("test", changes), seeds=[1])
    seeds = runner.asked[1][0].seeds
    assert seeds.model_dump() == {"initialization": None, "order": 1, "classes": 2, "shots": None}


def test_references_have_the_seeds_of_the_run_before_them(runner: Runner) -> None:
    run_series(load_scenario("test", ["seeds.order=1"]), seeds=[1])
    assert [asked[0].seeds.order for asked in runner.asked] == [1, 1]


def test_every_file_is_parsed_once_whatever_the_seeds_and_references(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []

    def counted(text: str, source: str) -> yaml.Document:
        parsed.append(Path(source).stem)
        return parse(text, source)

    parse = yaml.parse
    monkeypatch.setattr(yaml, "parse", counted)
    yaml._parsed.cache_clear()
    run_series(load_scenario("test"), seeds=[1, 2, 3])
    assert (len(runner.asked), parsed) == (6, ["test"])
    runner.stands_in_for = {"scenario": "test", "because": "no data"}
    run_series(load_scenario("test"), seeds=[1, 2, 3], out=Path("out"))
    assert (len(runner.asked), parsed) == (12, ["test", "stand_in"])


def test_a_reference_without_weights_is_left_out_aloud(runner: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    runner.missing = "floor"
    finished = run_series(load_scenario("test"), seeds=[1])
    assert [[results.strategy for results in seeds] for seeds in finished] == [["toy"]]
    assert "the reference floor is skipped: no weights here" in capsys.readouterr().err


def test_json_output_has_no_table(runner: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    run_series(load_scenario("test"), seeds=[1, 2], mode="json")
    assert not capsys.readouterr().out


def test_seeds_are_read() -> None:
    assert read_seeds(["42", " 13", "0", "4294967295"]) == [42, 13, 0, 4294967295]


@pytest.mark.parametrize("text", ["", "x", "-1", "4294967296", "1.0", "٣", "9" * 5000])
def test_wrong_seeds_are_refused(text: str) -> None:
    with refused(UserError, where="--seeds"):
        read_seeds(["1", text])
    with refused(UserError, where="--seeds", names=("1", "twice")):
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
    monkeypatch.setattr(series_table, "print_series", lambda *_, upgrades_by: told.append(upgrades_by))
    Path("scenarios/new.yaml").write_text(UPGRADE)
    for name in ("new", "test"):
        run_series(load_scenario(name), seeds=[1])
    Path("scenarios/far.yaml").write_text(UPGRADE + "otherwise: stand_in\n")
    runner.stands_in_for = {"scenario": "far", "because": "no data"}
    run_series(load_scenario("far"), seeds=[1])
    assert told == ["cmc@5", None, None]
