"""A sweep's file: what it makes, and every mistake of it and of its runs at once, each with its place."""

from pathlib import Path

import pytest
from helpers.workspace import make_workspace

from clsim.sweep.load import load_sweep
from clsim.utils.errors import UserError, UserErrors

FILE = """\
scenario: test
strategies: [toy, floor]
seeds: [1, 2]
overrides: {stream.shots: 3}
grid:
  strategies.toy.epochs: [3, 5]
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(text):
    Path("sweep.yaml").write_text(text)
    return load_sweep("sweep.yaml")


def problems(text):
    with pytest.raises(UserErrors) as caught:
        plan(text)
    return [(error.where, error.what) for error in caught.value.errors]


def test_every_run_has_a_directory_and_its_scenario(workspace):
    made = plan(FILE)
    assert [job.name for job in made.jobs] == [
        "test/toy/epochs=3/seed1",
        "test/toy/epochs=3/seed2",
        "test/toy/epochs=5/seed1",
        "test/toy/epochs=5/seed2",
        "test/floor/as_it_is/seed1",
        "test/floor/as_it_is/seed2",
    ]
    last = made.jobs[3]
    assert last.scenario.selected_strategy.settings["epochs"] == 5
    assert (last.scenario.seed, last.scenario.stream.shots) == (2, 3)
    assert made.trials == []
    words = last.command(workspace / "out", "cpu")
    assert {"--set=strategies.toy.epochs=5", "--set=stream.shots=3", "--resume", "--strict"} <= set(words)


def test_what_it_leaves_open_is_the_scenarios_own(workspace):
    made = plan("scenario: test\n")
    assert [job.name for job in made.jobs] == ["test/toy/as_it_is/seed42"]


def test_trials_are_measured_on_held_out_images_and_nothing_else_is(workspace):
    made = plan(FILE + "choose: {share: 0.1, seed: 9, seeds: [7]}\n")
    assert [job.name for job in made.trials] == [
        "test/toy/epochs=3/validation-seed7",
        "test/toy/epochs=5/validation-seed7",
    ]
    assert all(job.scenario.validation.model_dump() == {"share": 0.1, "seed": 9} for job in made.trials)
    assert all(job.scenario.validation is None for job in made.jobs)
    assert "--set=validation.share=0.1" in made.trials[0].command(workspace, "cpu")


def test_a_name_is_looked_for_among_sweeps_only(workspace):
    (workspace / "scenarios" / "sweeps").mkdir()
    (workspace / "scenarios" / "sweeps" / "mine.yaml").write_text(FILE)
    assert load_sweep("mine").name == "mine"
    with pytest.raises(UserError, match="there is no sweep 'mime'"):
        load_sweep("mime")
    from clsim.config.discovery import list_scenarios

    assert "mine" not in list_scenarios()


def test_a_sweep_is_no_scenario(workspace):
    from clsim.config import load_scenario

    (workspace / "sweep.yaml").write_text(FILE)
    with pytest.raises(UserErrors, match=r"a sweep, not a scenario\n.*clsim sweep sweep.yaml"):
        load_scenario("sweep.yaml")


def test_mistakes_of_runs_stand_where_the_sweep_makes_them(workspace):
    text = FILE.replace("stream.shots: 3", "stream.shots: none, stream.shods: 3").replace("[3, 5]", "[3, -x, 5, y]")
    assert sorted(problems(text.replace("floor", "flor"))) == [
        ("sweep.yaml:2", "there is no strategy 'flor'"),
        ("sweep.yaml:4", "stream.shots: expected an integer, got the string 'none'"),
        ("sweep.yaml:4", "unknown key 'shods' in stream"),
        ("sweep.yaml:6", "strategies.toy.epochs: expected an integer, got the string '-x'"),
        ("sweep.yaml:6", "strategies.toy.epochs: expected an integer, got the string 'y'"),
    ]


def test_mistakes_of_the_file_itself(workspace):
    text = FILE.replace("seeds: [1, 2]", "seeds: [1, x]\nretries: -1\ngpu: 1").replace("[3, 5]", "3")
    assert sorted(problems(text)) == [
        ("sweep.yaml:3", "seeds.1: expected an integer, got the string 'x'"),
        ("sweep.yaml:4", "retries: must be at least 0, got -1"),
        ("sweep.yaml:5", "unknown key 'gpu'"),
        ("sweep.yaml:8", "grid.strategies.toy.epochs: expected a list, got 3"),
    ]


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (("scenario: test", ""), 1, "it needs either scenario or scenarios"),
        (("scenario: test", "scenario: test\nscenarios: [test]"), 2, "it needs either scenario or scenarios"),
        (("[1, 2]", "[1, 1]"), 3, "seeds: 1 appears twice"),
        (("[toy, floor]", "[toy, toy]"), 2, "strategies: toy appears twice"),
        (("[3, 5]", "[]"), 6, "grid.strategies.toy.epochs: holds no value"),
        (("stream.shots: 3", "seed: 3"), 4, "seed is not changed like this in a sweep"),
        (
            ("grid:", "list: [{strategies.toy.epochs: 3}]\ngrid:"),
            7,
            "strategies.toy.epochs stands in both grid and list",
        ),
        (("[3, 5]", f"{list(range(6000))}"), 5, "these are 24,000 runs; 10,000 at most"),
        (("  strategies.toy.epochs: [3, 5]", "  strategy.lr: [1]\nchoose: {}"), 7, "there is one point"),
        (("scenario: test", "scenarios: [tst, test, ./scenarios/test.yaml]"), 1, "there is no scenario 'tst'"),
        (("scenario: test", "scenarios: [test, ./scenarios/test.yaml]"), 1, "two scenarios are called test"),
        (("[toy, floor]", "[toy, ./strategies/toy.py]"), 2, "two strategies are called toy"),
    ],
)
def test_what_must_hold(workspace, change, where, what):
    found = problems(FILE.replace(*change))
    assert any(place == f"sweep.yaml:{where}" and what in told for place, told in found), found
