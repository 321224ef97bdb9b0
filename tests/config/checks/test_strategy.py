"""Strategies and the kinds of stream they run on: what a file says, and what a scenario that ignores it is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import pytest
from helpers.workspace import FLOOR, SCENARIO, STRATEGY, edited, problems_of

from clsim.config import load_scenario
from clsim.config.discovery import find_strategy
from clsim.config.signatures import read_signature
from clsim.streams.kinds import CLASS_KINDS, KINDS, check_kinds
from clsim.streams.settings import Stream
from clsim.utils.errors import UserError, UserErrors

UPGRADES = 'STREAMS = ("upgrade",)\n'
REFUSED = "does not run on a stream of kind fscil: it runs on upgrade"


def strategy(name: str, streams: str = UPGRADES) -> Path:
    path = Path("strategies") / f"{name}.py"
    path.write_text(streams + FLOOR)
    return path


def test_every_kind_of_the_schema_is_known() -> None:
    kinds = {get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(get_args(Stream)[0])}
    assert set(CLASS_KINDS) <= kinds <= set(KINDS)


@pytest.mark.parametrize(
    ("text", "streams"),
    [
        ("", CLASS_KINDS),
        (UPGRADES, ("upgrade",)),
        ('STREAMS = ["fscil", "text_upgrade"]\n', ("fscil", "text_upgrade")),
        ('STREAMS: tuple[str, ...] = ("upgrade",)\n', ("upgrade",)),
        ('MINE = "upgrade"\nSTREAMS = (MINE,)\n', ("upgrade",)),
        ('STREAMS = ("fscil",)\nSTREAMS = ("upgrade",)\n', ("upgrade",)),
    ],
)
def test_a_file_says_what_it_runs_on(scenario: Path, text: str, streams: tuple[str, ...]) -> None:
    assert read_signature(strategy("mine", text)).streams == streams


def test_nothing_is_executed_to_know_it(scenario: Path) -> None:
    Path("strategies/toy.py").write_text(STRATEGY.replace("\nMode", f"\n{UPGRADES}Mode"))
    assert read_signature(Path("strategies/toy.py")).streams == ("upgrade",)  # importing it would fail
    assert "a_package_that_is_not_there" not in sys.modules


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ('STREAMS = ("upgrade")', "expected a tuple of kinds of stream, got the string 'upgrade'", '("upgrade",)'),
        ("STREAMS = ()", "expected a tuple of kinds of stream, got a list of 0", '("upgrade",)'),
        ("STREAMS = None", "expected a tuple of kinds of stream, got nothing", '("upgrade",)'),
        ('STREAMS = {"upgrade"}', "expected a tuple of kinds of stream, got {'upgrade'}", '("upgrade",)'),
        ('STREAMS = ("upgrade", 3)', "expected the name of a kind of stream, got 3", '("upgrade",)'),
        ('STREAMS = ("upgrde",)', "there is no kind of stream 'upgrde'", "did you mean 'upgrade'?"),
        ("STREAMS = tuple(names)", "STREAMS is not a plain value", '("upgrade",)'),
        ("STREAMS = STREAMS", "STREAMS is not a plain value", '("upgrade",)'),
    ],
)
def test_what_names_no_kinds_is_refused_with_its_line(scenario: Path, text: str, what: str, fix: str) -> None:
    path = strategy("mine", f"x = 1\n{text}\n")
    with pytest.raises(UserErrors) as caught:
        read_signature(path)
    (problem,) = caught.value.errors
    assert what in problem.what
    assert fix in (problem.fix or "")
    assert problem.where == f"{path}:2"
    (told,) = problems_of(scenario, strategy="mine")
    assert told.where == "strategies/mine.py:2"


def test_a_strategy_is_refused_where_it_is_named(scenario: Path) -> None:
    strategy("mine")
    text = edited(edited(SCENARIO, "strategy: toy", "strategy: mine"), "[floor]", "[floor, mine]")
    (problem,) = problems_of(scenario, text)
    assert (problem.where, problem.what) == ("scenarios/test.yaml:11", f"the strategy mine {REFUSED}")
    assert problem.fix is not None
    able = problem.fix.removeprefix("strategies that run on fscil: ").split(", ")
    assert {"toy", "floor", "fine_tune", "cpe_clip"} <= set(able)
    assert not {"mine", "oca"} & set(able)
    scenario.write_text(SCENARIO)
    (problem,) = problems_of(scenario, strategy="./strategies/mine.py")
    assert (problem.where, problem.what) == ("--strategy ./strategies/mine.py", f"the strategy mine {REFUSED}")
    (problem,) = problems_of(scenario, overrides=["strategy=mine"])
    assert problem.where == "--set strategy=mine"


def test_a_reference_is_refused_where_it_is_named(scenario: Path) -> None:
    strategy("mine")
    (problem,) = problems_of(scenario, edited(SCENARIO, "[floor]", "[floor, mine]"))
    assert (problem.where, problem.what) == ("scenarios/test.yaml:19", f"the strategy mine {REFUSED}")


def test_settings_of_a_strategy_that_does_not_run_here_may_stay(scenario: Path) -> None:
    strategy("mine")
    scenario.write_text(edited(SCENARIO, "  toy: {", "  mine: {lr: 3}\n  toy: {"))
    loaded = load_scenario(scenario)
    assert loaded.chosen("mine").settings == {"lr": 3.0}
    with pytest.raises(UserError, match=f"the strategy mine {REFUSED}") as caught:
        loaded.with_strategy("mine")
    assert "strategies that run on fscil" in (caught.value.fix or "")
    with pytest.raises(UserError, match="the strategy oca does not run"):
        loaded.with_strategy("oca")


def test_a_broken_file_that_nobody_names_does_not_spoil_the_advice(scenario: Path) -> None:
    strategy("mine")
    strategy("broken", "STREAMS = 1\n")
    (problem,) = problems_of(scenario, strategy="mine")
    assert "broken" not in (problem.fix or "")


def test_an_unknown_kind_is_told_once(scenario: Path) -> None:
    strategy("mine")
    found = problems_of(scenario, edited(SCENARIO, "kind: fscil", "kind: fscl"), strategy="mine")
    assert not [problem for problem in found if "does not run" in problem.what]


@pytest.mark.parametrize("name", ["oca", "bct", "independent", "procrustes"])
def test_what_makes_new_models_is_for_upgrades(name: str) -> None:
    assert read_signature(find_strategy(name)).streams == ("upgrade",)


@pytest.mark.parametrize(
    "name",
    ["cpe_clip", "zero_shot", "stationary", "fine_tune", "replay", "lwf", "feature_distillation"],
)
def test_the_others_run_on_every_stream_of_classes(name: str) -> None:
    assert read_signature(find_strategy(name)).streams == CLASS_KINDS


def test_a_tuple_and_a_list_are_one() -> None:
    assert check_kinds(["upgrade"]) == check_kinds(("upgrade",))
