"""Streams of upgrades: what a scenario may say of them, and what every mistake says."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.workspace import edited, problems_of

from clsim.config import load_scenario
from clsim.config.json_schema import scenario_schema

UPGRADE = """\
stream:
  kind: upgrade
  dataset: cifar100
  classes: [50, 75, 100]
  images_per_class: [300, 300, 500]
strategy: toy
evaluation:
  compatibility: {images: stream, query: test, gallery: test, criterion: cmc@1, truncate: true}
published:
  toy: {accuracy: [0.5, 0.4, 0.3], source: nowhere}
"""
IMAGES = "  images_per_class: [300, 300, 500]\n"
SAME_IMAGES = edited(UPGRADE, "[300, 300, 500]", "300")
NO_IMAGES = edited(UPGRADE, IMAGES, "")


@pytest.fixture
def upgrade(scenario: Path) -> Path:
    scenario.write_text(UPGRADE)
    return scenario


def test_a_number_of_classes_and_images_for_every_session_is_loaded(upgrade: Path) -> None:
    loaded = load_scenario(upgrade)
    assert loaded.sessions == 3
    assert loaded.stream.kind == "upgrade"
    assert loaded.stream.classes == [50, 75, 100]
    assert loaded.stream.images_per_class == [300, 300, 500]
    assert loaded.stream.summary(loaded.sessions) == ["3 sessions", "50 -> 75 -> 100 classes"]


def test_classes_are_enough(upgrade: Path) -> None:
    upgrade.write_text("stream: {kind: upgrade, dataset: cifar100, classes: [50, 100]}\nstrategy: toy\n")
    loaded = load_scenario(upgrade)
    assert loaded.sessions == 2
    assert loaded.stream.images_per_class is None
    assert loaded.stream.image_size is None
    assert loaded.stream.class_order == "natural"


@pytest.mark.parametrize(
    ("changed", "sessions"),
    [
        ("stream.classes=[100]", 1),
        ("stream.classes=[50, 100]", 2),
        ("stream.classes=[10, 20, 30, 40]", 4),
    ],
)
def test_there_are_as_many_sessions_as_numbers_of_classes(upgrade: Path, changed: str, sessions: int) -> None:
    upgrade.write_text(edited(NO_IMAGES, "{accuracy: [0.5, 0.4, 0.3], ", "{am: 0.5, "))
    assert load_scenario(upgrade, [changed]).sessions == sessions


def test_an_upgrade_may_bring_images_alone_or_classes_alone(upgrade: Path) -> None:
    same_classes = ["stream.classes=[50, 50, 50]", "stream.images_per_class=[100, 200, 500]"]
    assert load_scenario(upgrade, same_classes).stream.classes == [50, 50, 50]
    assert load_scenario(upgrade, ["stream.images_per_class=500"]).stream.images_per_class == 500


def test_a_folder_is_known_only_when_it_is_loaded(upgrade: Path) -> None:
    upgrade.write_text(edited(UPGRADE, "dataset: cifar100", "dataset: folder:x"))
    loaded = load_scenario(upgrade, ["stream.classes=[500, 750, 1000]", "stream.images_per_class=9000"])
    assert loaded.sessions == 3


def test_the_data_set_and_its_numbers_can_be_used_up(upgrade: Path) -> None:
    assert load_scenario(upgrade, ["stream.images_per_class=[500, 500, 500]"]).sessions == 3


@pytest.mark.parametrize("text", [UPGRADE, SAME_IMAGES, NO_IMAGES])
def test_it_survives_writing(upgrade: Path, text: str) -> None:
    upgrade.write_text(text)
    loaded = load_scenario(upgrade)
    Path("again.yaml").write_text(loaded.to_yaml())
    assert load_scenario("again.yaml").model_dump() == loaded.model_dump()


EACH = [
    ("75, 100]", "75, 101]", 4, "stream.classes: 101 classes of cifar100, which has 100 classes", ""),
    ("[50, 75, 100]", "[120, 130, 140]", 4, "stream.classes: 120 classes of cifar100", ""),
    ("75, 100]", "75, 60]", 4, "stream.classes: session 2 has fewer than the one before", "knew, and more"),
    ("[50, 75,", "[50, 40,", 4, "stream.classes: session 1 has fewer than the one before", ""),
    ("[50, 75,", "[50, 50,", 4, "stream.classes: session 1 brings nothing that the one before", "add classes"),
    ("[50, 75, 100]", "[]", 4, "stream.classes: must be not empty", ""),
    ("[50, 75, 100]", "50", 4, "stream.classes: expected a list, got 50", ""),
    ("[50, 75,", "[0, 75,", 4, "stream.classes.0: must be more than 0, got 0", ""),
    ("[50, 75,", "[50, -75,", 4, "stream.classes.1: must be more than 0, got -75", ""),
    ("[50, 75,", "[50, many,", 4, "stream.classes.1: expected an integer, got the string 'many'", ""),
    ("[50, 75,", "[50, 7.5,", 4, "stream.classes.1: expected an integer, got 7.5", ""),
    ("  classes: [50, 75, 100]\n", "", 1, "the key 'classes' is missing in stream", ""),
    ("classes:", "clases:", 4, "unknown key 'clases' in stream", "did you mean 'classes'?"),
    ("classes:", "base_classes: 50\n  classes:", 4, "unknown key 'base_classes' in stream", ""),
    ("300, 500]", "300, 501]", 5, "501 images of every class, but a class of cifar100 may have only 500", ""),
    ("[300, 300, 500]", "501", 5, "501 images of every class, but a class of cifar100 may have only 500", ""),
    ("300, 500]", "500]", 5, "stream.images_per_class: 2 numbers for 3 sessions", "one number for all sessions"),
    ("300, 500]", "300, 200]", 5, "stream.images_per_class: session 2 has fewer than the one before", "and more"),
    ("[300, 300,", "[0, 300,", 5, "stream.images_per_class.0: must be more than 0, got 0", ""),
    ("[300, 300, 500]", "0", 5, "stream.images_per_class: must be more than 0, got 0", ""),
    ("[300, 300, 500]", "few", 5, "stream.images_per_class: expected an integer or a list", ""),
    ("kind: upgrade", "kind: upgrde", 2, "stream.kind: expected", "did you mean 'upgrade'?"),
    ("dataset: cifar100", "dataset: cifar10", 4, "stream.classes: 50 classes of cifar10, which has 10 classes", ""),
    ("[0.5, 0.4, 0.3]", "[0.5, 0.4]", 10, "published.toy.accuracy: 2 figures for 3 sessions", ""),
    ("{accuracy: ", "{self_test: [1.0], accuracy: ", 10, "published.toy.self_test: 1 figure for 3 sessions", ""),
    (
        "{accuracy: ",
        "{upgrade: {cmc1: {new_old: 0.5}}, accuracy: ",
        10,
        "published.toy.upgrade: the scenario does not measure 'cmc1'",
        "did you mean 'cmc@1'?",
    ),
    ("{accuracy: ", "{upgrade: {cmc@1: {newold: 0.5}}, accuracy: ", 10, "unknown key 'newold'", "'new_old'?"),
]
SAME = [
    ("[50, 75,", "[50, 50,", 4, "stream.classes: session 1 brings nothing that the one before", "a number for each"),
    ("75, 100]", "75, 75]", 4, "stream.classes: session 2 brings nothing that the one before did not have", ""),
]


@pytest.mark.parametrize(("old", "new", "line", "what", "fix"), EACH)
def test_a_mistake_is_told_with_its_line(upgrade: Path, old: str, new: str, line: int, what: str, fix: str) -> None:
    tells(upgrade, edited(UPGRADE, old, new), line, what, fix)


@pytest.mark.parametrize("text", [SAME_IMAGES, NO_IMAGES])
@pytest.mark.parametrize(("old", "new", "line", "what", "fix"), SAME)
def test_a_session_that_brings_nothing_is_told_with_its_line(
    upgrade: Path, text: str, old: str, new: str, line: int, what: str, fix: str
) -> None:
    tells(upgrade, edited(text, old, new), line, what, fix)


def tells(path: Path, text: str, line: int, what: str, fix: str) -> None:
    found = problems_of(path, text)
    told = [p for p in found if what in p.what and p.where == f"scenarios/test.yaml:{line}" and fix in (p.fix or "")]
    assert told, [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("75, 100]", "75, 101]"),
        ("[50, 75,", "[50, 40,"),
        ("300, 500]", "300, 501]"),
        ("300, 500]", "500]"),
        ("[300, 300, 500]", "501"),
        ("[300, 300, 500]", "few"),
        ("[50, 75, 100]", "[]"),
    ],
)
def test_one_mistake_is_told_once(upgrade: Path, old: str, new: str) -> None:
    assert (
        len(problems_of(upgrade, edited(edited(UPGRADE, "{accuracy: [0.5, 0.4, 0.3], ", "{am: 0.5, "), old, new))) == 1
    )


def test_every_mistake_at_once(upgrade: Path) -> None:
    text = edited(edited(UPGRADE, "[50, 75, 100]", "[50, 40, 101]"), "[300, 300, 500]", "[300, 200, 501]")
    assert [(problem.where, problem.what) for problem in problems_of(upgrade, text)] == [
        ("scenarios/test.yaml:4", "stream.classes: 101 classes of cifar100, which has 100 classes"),
        ("scenarios/test.yaml:4", "stream.classes: session 1 has fewer than the one before"),
        (
            "scenarios/test.yaml:5",
            "stream.images_per_class: 501 images of every class, but a class of cifar100 may have only 500 training "
            "images",
        ),
        ("scenarios/test.yaml:5", "stream.images_per_class: session 1 has fewer than the one before"),
    ]


def test_a_mistake_of_the_command_line_names_its_option(upgrade: Path) -> None:
    (problem,) = problems_of(upgrade, overrides=["stream.classes=[50, 40, 100]"])
    assert problem.where == "--set stream.classes=[50, 40, 100]"


def test_the_json_schema_knows_upgrades() -> None:
    schema = scenario_schema()
    assert "upgrade" in schema["properties"]["stream"]["discriminator"]["mapping"]
    properties = schema["$defs"]["UpgradeStream"]["properties"]
    assert {"kind", "dataset", "classes", "images_per_class", "class_order"} <= set(properties)
    assert "cifar100" in properties["dataset"]["anyOf"][0]["enum"]


LOADING = edited(NO_IMAGES, "strategy: toy", "models: {old: {kind: timm, name: resnet18}}\nstrategy: toy")


def test_models_that_are_there_already_are_named(upgrade: Path) -> None:
    upgrade.write_text(edited(LOADING, "[50, 75, 100]", "[50, 75, 100]\n  load: [old, null, old]"))
    assert load_scenario(upgrade).stream.load == ["old", None, "old"]


@pytest.mark.parametrize(
    ("load", "what"),
    [
        ("[old, null]", "stream.load: 2 models for 3 sessions"),
        ("[old, null, odl]", "stream.load.2: there is no 'odl' in models"),
        ("old", "stream.load: expected"),
        ("[1, null, old]", "stream.load.0: expected"),
    ],
)
def test_a_mistake_among_them_is_told_with_its_line(upgrade: Path, load: str, what: str) -> None:
    text = edited(LOADING, "[50, 75, 100]", f"[50, 75, 100]\n  load: {load}")
    (problem,) = problems_of(upgrade, text)
    assert what in problem.what
    assert problem.where == "scenarios/test.yaml:5"
