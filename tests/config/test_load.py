"""Loading a scenario: what is filled in, what is changed, and what every mistake says."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.workspace import REPLACEMENT, SCENARIO, STRATEGY, edited, problems_of

from clsim.config import Scenario, load_scenario
from clsim.utils.errors import UserError, UserErrors


def test_defaults_are_filled_in(scenario: Path) -> None:
    loaded = load_scenario(scenario)
    assert loaded.name == "test"
    assert loaded.path == scenario
    assert loaded.sessions == 9
    assert loaded.stream.sessions is None
    chosen = loaded.selected_strategy
    assert (chosen.name, chosen.path) == ("toy", Path("strategies/toy.py"))
    assert chosen.settings == {
        "backbone": "resnet20",
        "pretrained": None,
        "epochs": 2,
        "base_epochs": None,
        "lr": 1.0,
        "mode": "accumulate",
        "sizes": (1, 2),
        "regularise": True,
    }
    assert [reference.settings for reference in loaded.reference_strategies] == [{"lr": 0.5}]
    assert loaded.models["small"].sources == ("shapes",)


def test_a_scenario_is_found_by_name_and_survives_writing(scenario: Path) -> None:
    loaded = load_scenario("test", {"strategy.lr": 1e-5, "description": "yes"})
    Path("again.yaml").write_text(loaded.to_yaml())
    again = load_scenario("again.yaml")
    assert again.model_dump() == loaded.model_dump()
    assert yaml.safe_load(loaded.to_yaml())["strategies"]["toy"]["lr"] == 1e-5


def test_overrides_change_values_and_strategy_dot_means_the_one_that_runs(scenario: Path) -> None:
    loaded = load_scenario(
        scenario,
        [
            "strategy.lr=0.25",
            "stream.shots=1",
            "evaluation.forgetting=false",
            "strategy=floor",
            "seed=0x10",
            "models={}",
        ],
    )
    assert loaded.stream.shots == 1
    assert loaded.seed == 16
    assert not loaded.evaluation.forgetting
    assert not loaded.models
    assert loaded.selected_strategy.settings == {"lr": 0.25}
    assert loaded.chosen("toy").settings["lr"] == 1.0
    assert load_scenario(scenario, {"strategies.toy.epochs": 9}).selected_strategy.settings["epochs"] == 9
    by_option = load_scenario(scenario, ["strategy.lr=0.25"], strategy="floor", seed=3)
    assert (by_option.selected_strategy.settings, by_option.seed) == ({"lr": 0.25}, 3)


def test_a_strategy_by_path_takes_the_settings_under_its_name(scenario: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.py").write_text("def build(stream, *, epochs: int = 1): ...")
    scenario.write_text(edited(SCENARIO, "  toy: {", "  mine: {epochs: 7}\n  toy: {"))
    loaded = load_scenario(scenario, strategy="elsewhere/mine.py")
    assert loaded.selected_strategy.settings == {"epochs": 7}
    assert loaded.strategy == "elsewhere/mine.py"
    assert loaded.with_strategy("toy").selected_strategy.name == "toy"
    (problem,) = problems_of(scenario)
    assert problem.what == "there is no strategy 'mine'"


def test_copies_change_one_thing(scenario: Path) -> None:
    loaded = load_scenario(scenario)
    assert loaded.with_seed(3).seed == 3
    assert loaded.with_strategy("floor").selected_strategy.name == "floor"
    assert loaded.selected_strategy.name == "toy"
    Path("strategies/late.py").write_text("def build(stream, *, sizes: tuple[int, int] = (1, 2)): ...")
    assert loaded.with_strategy("late").selected_strategy.settings == {"sizes": (1, 2)}
    assert loaded.with_strategy("./strategies/late.py").strategy == "./strategies/late.py"
    with pytest.raises(UserError, match="there is no strategy 'absent'"):
        loaded.with_strategy("absent")
    Path("strategies/late.py").write_text("def build(stream, *, epochs: int): ...")
    with pytest.raises(UserError, match="no default: epochs"):
        loaded.with_strategy("late")
    with pytest.raises(KeyError):
        loaded.chosen("late")


def test_sessions_are_counted_where_they_can_be(scenario: Path) -> None:
    assert load_scenario(scenario, ["stream.sessions=3", "published={}"]).sessions == 4
    folder = ["stream.dataset=folder:pictures", "stream.ways=7", "stream.base_classes=1000"]
    assert load_scenario(scenario, folder).sessions is None
    assert load_scenario(scenario, [*folder, "stream.sessions=3"]).sessions == 4  # whose published rows are left out


def test_every_problem_is_reported_at_once_in_the_order_of_the_lines(scenario: Path) -> None:
    text = (
        SCENARIO.replace("dataset: shapes", "datset: shapes")
        .replace("shots: 5", 'shots: "5"')
        .replace("epochs: 2", "epochs: -2")
        .replace("batch_size: 64", "batch_size: true")
        .replace("seed: 42", "seed: 4294967296\nseed: 1")
        .replace("otherwise: stand_in", "otherwise: stand_inn")
    )
    found = [(problem.where, problem.what, problem.fix or "") for problem in problems_of(scenario, text)]
    assert [(where, what) for where, what, _ in found] == [
        ("scenarios/test.yaml:3", "the key 'dataset' is missing in stream"),
        ("scenarios/test.yaml:5", "unknown key 'datset' in stream"),
        ("scenarios/test.yaml:8", "stream.shots: expected an integer, got the string '5'"),
        ("scenarios/test.yaml:13", "strategies.toy.epochs: must be at least 0, got -2"),
        ("scenarios/test.yaml:16", "evaluation.batch_size: expected an integer, got true"),
        ("scenarios/test.yaml:20", "seed: must be less than 4294967296, got 4294967296"),
        ("scenarios/test.yaml:21", "the key 'seed' appears twice, first in line 20"),
        ("scenarios/test.yaml:22", "otherwise: there is no scenario 'stand_inn'"),
    ]
    assert "did you mean 'dataset'?" in found[1][2]
    assert "base_classes" in found[1][2]
    assert "did you mean 'stand_in'?" in found[7][2]


KINDS = "stream.kind: expected fscil, incremental, replacement, upgrade or text_upgrade"
STREAM = [
    ("base_classes: 60", "base_classes: 101", 6, "101 classes of shapes, which has 100 classes"),
    ("ways: 5", "ways: 7", 7, "sessions of 7 leave 5 of 100 classes over"),
    ("ways: 5", "ways: 5\n  sessions: 9", 8, "60 + 9 x 5 = 105 classes of shapes"),
    ("shots: 5", "shots: 51", 8, "only 50 training images"),
    ("shots: 5", "shots: 0", 8, "must be at least 1, got 0"),
    ("{draw: 1}", "standard", 9, "no standard few-shot lists for shapes"),
    ("{draw: 1}", "standart", 9, "expected standard or drawn or a block of keys, got the string 'standart'"),
    ("{draw: 1}", "{draw: -1}", 9, "stream.splits.draw: must be at least 0"),
    ("{draw: 1}", "{drow: 1}", 9, "the key 'draw' is missing in stream.splits"),
    ("{draw: 1}", "{draw: 1, more: 2}", 9, "unknown key 'more' in stream.splits"),
    ("class_order: natural", "class_order: [0, 1, 1]", 10, "class 1 appears 2 times"),
    ("class_order: natural", "class_order: [0, 1]", 10, "98 classes missing: 2, 3,"),
    ("class_order: natural", "class_order: [0, 100]", 10, "no class 100 (allowed: 0 to 99)"),
    ("class_order: natural", "class_order: [0, x]", 10, "class_order.1: expected an integer, got the string 'x'"),
    ("class_order: natural", "class_order: {sed: 1}", 10, "the key 'seed' is missing in stream.class_order"),
    ("class_order: natural", "class_order: random", 10, "expected natural or drawn or a block of keys or a list"),
    ("dataset: shapes", "dataset: cifar10O", 5, "no data set 'cifar10O'"),
    ("dataset: shapes", "dataset: 'folder:'", 5, "names no path"),
    (
        "kind: fscil",
        "kind: null",
        4,
        f"{KINDS}, got nothing (null)",
    ),
    ("  kind: fscil\n", "", 3, "the key 'kind' is missing in stream"),
    ("kind: fscil", "kind: incremental", 8, "unknown key 'shots' in stream"),
    (
        "kind: fscil",
        "kind: fcsil",
        4,
        f"{KINDS}, got the string 'fcsil'",
    ),
    ("shots: 5", "shots: 5\n  image_size: 4", 9, "image_size: must be at least 8"),
]
OTHERS = [
    ("strategy: toy", "strategy: tooy", 11, "there is no strategy 'tooy'"),
    ("strategy: toy", "strategy: ./tooy.py", 11, "there is no such strategy file"),
    ("strategy: toy", "strategy: [toy]", 11, "strategy: expected a string, got a list of 1"),
    ("strategy: toy\n", "", 1, "the key 'strategy' is missing"),
    ("epochs: 2", "epoch: 2", 13, "unknown setting 'epoch' of toy"),
    ("lr: 1", "lr: high", 13, "strategies.toy.lr: expected a number, got the string 'high'"),
    ("lr: 1", "lr: .nan", 13, "must be a finite number, got nan"),
    ("mode: accumulate", "mode: acumulate", 13, "expected replace or accumulate, got the string 'acumulate'"),
    ("toy: {epochs: 2, lr: 1, mode: accumulate}", "toy:", 13, "expected a block of keys, got nothing"),
    ("  toy: {epochs", "  device: {}\n  toy: {epochs", 13, "there is no strategy 'device'"),
    ("lr: 1", "device: cuda", 13, "unknown setting 'device' of toy"),
    ("kind: clip", "kind: clop", 15, "models.small.kind: expected clip"),
    ("image_size: 32", "image_size: '32'", 15, "models.small.image_size: expected an integer, got the string"),
    ("image_size: 32", "image_size: 33", 15, "no multiple of patch_size"),
    ("image_size: 32", "widht: 3", 15, "unknown key 'widht' in models.small"),
    ("dataset: [shapes]", "dataset: [cifar]", 15, "models.small.dataset.0: expected shapes"),
    ("forgetting: true", "forgetting: yes", 16, "expected true or false, got the string 'yes'"),
    ("evaluation: {forgetting: true, batch_size: 64}", "evaluation: 3", 16, "expected a block of keys, got 3"),
    (", 0.1]", "]", 18, "8 figures for 9 sessions (the base session counts)"),
    ("[0.9,", "[90.0,", 18, "published.toy.accuracy.0: must be at most 1, got 90.0"),
    ("source: nowhere", "sources: nowhere", 18, "the key 'source' is missing in published.toy"),
    ("source: nowhere", "source: ''", 18, "must be not empty"),
    ("accuracy: [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], ", "", 18, "published.toy: holds no figure"),
    ("accuracy: [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]", "ac: 95", 18, "toy.ac: must be at most 1, got 95"),
    ("[floor]", "[flor]", 19, "there is no strategy 'flor'"),
    ("[floor]", "[floor, floor]", 19, "'floor' appears twice"),
    ("[floor]", "floor", 19, "references: expected a list, got the string 'floor'"),
    ("seed: 42", "seed: -1", 20, "seed: must be at least 0, got -1"),
    ("seed: 42", "seed: 4.5", 20, "seed: expected an integer, got 4.5"),
    ("seed: 42", "seed: null", 20, "seed: expected an integer, got nothing (null)"),
    ("otherwise: stand_in", "otherwise: test", 21, "cannot stand in for itself"),
    ("otherwise: stand_in", "otherwize: stand_in", 21, "unknown key 'otherwize'"),
    ("otherwise: stand_in", "otherwise: ./absent.yaml", 21, "there is no such scenario file"),
    ("description: a test", "description: 3", 2, "description: expected a string, got 3"),
]


@pytest.mark.parametrize(("old", "new", "line", "what"), STREAM + OTHERS)
def test_a_mistake_is_told_with_its_line(scenario: Path, old: str, new: str, line: int, what: str) -> None:
    found = problems_of(scenario, edited(SCENARIO, old, new))
    assert any(what in p.what and p.where == f"scenarios/test.yaml:{line}" for p in found), [str(p) for p in found]
    assert all(p.where for p in found)


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [("base_classes", 50, 6), ("ways", 10, 7), ("shots", 1, 8), ("class_order", "{seed: 1}", 10)],
)
def test_the_standard_lists_fix_the_protocol(scenario: Path, key: str, value: object, where: int) -> None:
    standard = SCENARIO.replace("dataset: shapes", "dataset: cifar100").replace("{draw: 1}", "standard")
    scenario.write_text(standard)
    load_scenario(scenario)
    (problem,) = problems_of(scenario, overrides=["published={}", f"stream.{key}={value}"])
    assert problem.where == f"--set stream.{key}={value}"
    assert "standard lists of cifar100" in problem.what
    assert "draw: SEED" in (problem.fix or "")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("stream.shot=1", "unknown key 'shot' in stream"),
        ("steam.shots=1", "unknown key 'steam'"),
        ("strategy.epoch=1", "unknown setting 'epoch' of toy"),
        ("strategy.epochs=x", "expected an integer, got the string 'x'"),
        ("strategy.epochs=", "expected an integer, got nothing"),
        ("seed.x=1", "seed has no keys below it"),
        ("seed", "has no value"),
        ("=1", "is not a key"),
        ("stream..shots=1", "is not a key"),
        ("description=[", "not valid YAML"),
        ("description=*x", "alias"),
        ("stream={a: 1, a: 2}", "appears twice"),
        ("class_order=[1]", "unknown key 'class_order'"),
        ("description=\udcff", "control character"),
    ],
)
def test_a_mistake_in_an_override_is_told_with_the_option(scenario: Path, change: str, what: str) -> None:
    found = problems_of(scenario, overrides=[change])
    assert any(p.where == f"--set {change}" and what in p.what for p in found), [str(p) for p in found]


def test_mistakes_in_options_name_the_option(scenario: Path) -> None:
    found = problems_of(scenario, strategy="tooy", seed=-1)
    assert {p.where for p in found} >= {"--strategy tooy", "--seed -1"}


def test_a_broken_strategy_file_is_reported_at_its_own_line(scenario: Path) -> None:
    Path("strategies/toy.py").write_text(STRATEGY.replace("lr: float = 0.1", "lr=0.1"))
    (problem,) = problems_of(scenario)
    assert problem.where == "strategies/toy.py:18"


def test_a_setting_without_default_must_be_given(scenario: Path) -> None:
    Path("strategies/floor.py").write_text("def build(stream, *, lr: float): ...")
    (problem,) = problems_of(scenario)
    assert problem.where == "scenarios/test.yaml:19"
    assert problem.what == "the setting 'lr' of floor is missing: a number"
    assert load_scenario(scenario, {"strategies.floor.lr": 1}).chosen("floor").settings == {"lr": 1.0}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "...\n", "- a\n", "word", "3", "[]", "null"])
def test_a_file_without_a_block_of_keys_is_refused(scenario: Path, text: str) -> None:
    (problem,) = problems_of(scenario, text)
    assert (problem.where or "").startswith("scenarios/test.yaml")


def test_an_empty_block_lacks_everything(scenario: Path) -> None:
    assert [p.what for p in problems_of(scenario, "{}")] == [
        "the key 'stream' is missing",
        "the key 'strategy' is missing",
    ]


JUNK = [None, True, 3, -1, 2.5, "text", "", [], [1], {}, {"a": 1}, float("nan"), 2**70, "é\t", "x" * 300]


def _mutated(value: Any, draw: random.Random) -> Any:
    """`value` with one thing in it replaced by junk, removed, added or renamed."""
    if isinstance(value, dict) and value and draw.random() < 0.85:
        key = draw.choice(sorted(value))
        rest = {k: v for k, v in value.items() if k != key}
        how = draw.random()
        if how < 0.15:
            return rest
        if how < 0.3:
            return {**rest, key[:-1] + draw.choice("xyz"): value[key]}
        if how < 0.4:
            return {**value, draw.choice(["extra", "kind", "seed"]): draw.choice(JUNK)}
        return {**value, key: _mutated(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.5:
        place = draw.randrange(len(value))
        return [*value[:place], _mutated(value[place], draw), *value[place + 1 :]]
    return draw.choice(JUNK)


@pytest.mark.parametrize("seed", range(300))
def test_mutated_scenarios_load_or_fail_with_places(scenario: Path, seed: int) -> None:
    draw = random.Random(seed)
    raw = yaml.safe_load(REPLACEMENT if seed % 2 else SCENARIO)
    for _ in range(draw.randint(1, 4)):
        raw = _mutated(raw, draw)
    scenario.write_text(yaml.safe_dump(raw, allow_unicode=True))
    _loads_or_tells(scenario)


@pytest.mark.parametrize("seed", range(150))
def test_garbled_files_load_or_fail_with_places(scenario: Path, seed: int) -> None:
    draw = random.Random(seed)
    raw = bytearray(SCENARIO.encode())
    for _ in range(draw.randint(1, 6)):
        start = draw.randrange(len(raw))
        raw[start : start + draw.randrange(8)] = draw.choice(
            [
                b"",
                b"{",
                b"]",
                b": ",
                b"\n",
                b"\t",
                b"- ",
                b"&a ",
                b"*a",
                b"!!x ",
                b"'",
                b"|",
                b"\x00",
                b"\xff",
                b"? ",
                b"#",
            ]
        )
    scenario.write_bytes(bytes(raw))
    _loads_or_tells(scenario)


def _loads_or_tells(path: Path) -> None:
    try:
        assert isinstance(load_scenario(path), Scenario)
    except UserErrors as errors:
        assert errors.errors
        for problem in errors.errors:
            assert (problem.where or "").startswith("scenarios/test.yaml"), str(problem)
            assert problem.what
