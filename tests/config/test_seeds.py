"""Which seed each part of a run has, and seeds that would change nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers.workspace import REPLACEMENT, SCENARIO, edited, problems_of

from clsim.config import load_scenario
from clsim.config.seeds import EffectiveSeeds, Seeds
from clsim.utils.derived_seed import derived_seed

DRAWN = SCENARIO.replace("{draw: 1}", "drawn").replace("natural", "drawn")
UPGRADE = "stream: {kind: upgrade, dataset: shapes, classes: [50, 100]}\nstrategy: toy\n"
TEXTS = "stream: {kind: text_upgrade, dataset: shapes, load: [a, b]}\nstrategy: toy\n"


def test_parts_of_a_run_follow_from_the_seed_until_they_are_named() -> None:
    assert EffectiveSeeds.of(42, Seeds()) == EffectiveSeeds(42, 42, 1767522883, 945319760, apart=False)
    assert EffectiveSeeds.of(43, Seeds()) == EffectiveSeeds(43, 43, 3584299652, 2528672822, apart=False)
    named = Seeds(initialization=0, order=1, classes=2, shots=3)
    assert EffectiveSeeds.of(42, named) == EffectiveSeeds(0, 1, 2, 3, apart=True)
    assert EffectiveSeeds.of(42, Seeds(order=42)).apart
    assert not EffectiveSeeds.of(42, Seeds(classes=1, shots=1)).apart


def test_derived_seeds_are_pinned_and_all_different() -> None:
    assert (derived_seed(0, "shots"), derived_seed(2**32 - 1, "classes")) == (3604004641, 1044290214)
    found = {derived_seed(seed, name) for seed in range(1000) for name in ("shots", "classes")}
    assert len(found) == 2000
    assert all(0 <= seed < 2**32 for seed in found)


def test_seeds_are_read_changed_and_written(scenario: Path) -> None:
    scenario.write_text(DRAWN + "seeds: {initialization: 5}\n")
    loaded = load_scenario("test", ["seeds.shots=7", "seeds.classes=0x10"], seed=9)
    assert loaded.effective_seeds == EffectiveSeeds(5, 9, 16, 7, apart=True)
    assert loaded.with_seed(3).effective_seeds == EffectiveSeeds(5, 3, 16, 7, apart=True)
    assert loaded.with_strategy("floor").seeds == loaded.seeds
    Path("again.yaml").write_text(loaded.to_yaml())
    assert load_scenario("again.yaml").model_dump() == loaded.model_dump()
    written = yaml.safe_load(load_scenario("stand_in").to_yaml())
    assert written["seeds"] == {"initialization": None, "order": None, "classes": None, "shots": None}


def test_every_seed_draws_its_own(scenario: Path) -> None:
    scenario.write_text(DRAWN)
    loaded = load_scenario(scenario)
    effective = [loaded.with_seed(seed).effective_seeds for seed in range(5)]
    assert len({seeds.shots for seeds in effective} | {seeds.classes for seeds in effective}) == 10


IDLE = [
    (SCENARIO, "shots", "stream.splits has its own seed", "write stream.splits: drawn"),
    (SCENARIO, "classes", "stream.class_order is natural", "write stream.class_order: drawn"),
    (SCENARIO.replace("natural", "{seed: 1}"), "classes", "stream.class_order has its own seed", "drawn"),
    (SCENARIO.replace("natural", str(list(range(100)))), "classes", "stream.class_order is a list", "drawn"),
    (SCENARIO.replace("  class_order: natural\n", ""), "classes", "stream.class_order is natural", "drawn"),
    (
        SCENARIO.replace("{draw: 1}", "standard").replace("shapes", "cifar100", 1),
        "shots",
        "stream.splits is standard",
        "drawn",
    ),
    (DRAWN.replace("class_order: drawn", "class_order: natural"), "classes", "stream.class_order is natural", "drawn"),
    (UPGRADE, "shots", "a stream of kind upgrade draws no shots", "leave the seed out"),
    (UPGRADE, "classes", "stream.class_order is natural", "drawn"),
    (REPLACEMENT, "shots", "a stream of kind replacement draws no shots", "leave the seed out"),
    (TEXTS, "classes", "a stream of kind text_upgrade has no classes", "leave the seed out"),
]


@pytest.mark.parametrize(("text", "key", "why", "fix"), IDLE)
def test_a_seed_of_what_is_not_drawn_is_a_mistake(scenario: Path, text: str, key: str, why: str, fix: str) -> None:
    found = problems_of(scenario, text, [f"seeds.{key}=7"])
    (problem,) = [problem for problem in found if problem.where == f"--set seeds.{key}=7"]
    assert problem.what == f"seeds.{key}: has no effect: {why}"
    assert fix in (problem.fix or "")


@pytest.mark.parametrize(
    "text", [DRAWN, UPGRADE + "seeds: {initialization: 1, order: 2, classes: null, shots: null}\n"]
)
def test_seeds_that_have_an_effect_are_none(scenario: Path, text: str) -> None:
    scenario.write_text(text)
    changes = ["seeds.shots=1", "seeds.classes=2"] if text == DRAWN else []
    assert load_scenario(scenario, changes).seeds


@pytest.mark.parametrize(
    ("seeds", "what"),
    [
        ("{shot: 1}", "unknown key 'shot' in seeds"),
        ("{order: -1}", "seeds.order: must be at least 0, got -1"),
        ("{order: 4294967296}", "seeds.order: must be less than 4294967296"),
        ("{initialization: x}", "seeds.initialization: expected an integer"),
        ("7", "seeds: expected a block of keys, got 7"),
        ("{shots: 1}", "seeds.shots: has no effect: stream.splits has its own seed"),
    ],
)
def test_a_mistake_is_told_with_its_line(scenario: Path, seeds: str, what: str) -> None:
    (problem,) = problems_of(scenario, edited(SCENARIO, "seed: 42\n", f"seed: 42\nseeds: {seeds}\n"))
    assert what in problem.what
    assert problem.where == "scenarios/test.yaml:21"


def test_of_a_wrong_stream_nothing_more_is_said(scenario: Path) -> None:
    for old, new in [("kind: fscil", "kind: fcsil"), ("{draw: 1}", "drwan"), ("{draw: 1}", "3")]:
        found = problems_of(scenario, edited(SCENARIO, old, new), ["seeds.shots=1"])
        assert not any("no effect" in problem.what for problem in found)


def test_a_stand_in_is_given_the_seeds_that_it_has_a_use_for(scenario: Path) -> None:
    scenario.write_text(DRAWN)
    given = load_scenario(scenario, {"seeds.order": 1, "seeds.classes": 2, "seeds.shots": 3})
    assert given.seeds_for(load_scenario("stand_in")) == {"seeds.order": 1}
    path = Path("scenarios/stand_in.yaml")
    path.write_text(edited(path.read_text(), "natural", "drawn") + "seeds: {initialization: 8, order: 1}\n")
    # Its own seed of initialisation would not be that of the run it stands for.
    assert given.seeds_for(load_scenario("stand_in")) == {"seeds.initialization": None, "seeds.classes": 2}
    assert given.seeds_for(given) == {}


def test_a_seed_without_effect_is_told_without_torch(scenario: Path) -> None:
    scenario.write_text(SCENARIO + "seeds: {shots: 1}\n")
    code = "import sys; sys.modules['torch'] = None; from clsim.cli.main import main; main()"
    command = [sys.executable, "-c", code, "validate", "test"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "scenarios/test.yaml:22: seeds.shots: has no effect" in done.stderr
