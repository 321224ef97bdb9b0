"""What a scenario measures of compatibility and of a search service, and what it quotes of others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.workspace import REPLACEMENT, edited, problems_of

from clsim.config import load_scenario
from clsim.config.json_schema import scenario_schema


@pytest.fixture
def measured(scenario: Path) -> Path:
    scenario.write_text(REPLACEMENT)
    return scenario


def test_defaults_are_filled_in(measured: Path) -> None:
    evaluation = load_scenario(measured).evaluation
    assert evaluation.compatibility is not None
    assert evaluation.compatibility.model_dump() == {
        "images": "cifar10",
        "query": "train",
        "gallery": "test",
        "criterion": "nearest_class_mean",
        "also": [],
        "truncate": False,
        "ties": False,
        "images_per_class": None,
        "keep_features": True,
    }
    assert evaluation.service is not None
    assert evaluation.service.model_dump() == {"criterion": "cmc@1", "queries": 500, "steps": 10}
    plain = load_scenario(measured, ["evaluation={}"]).evaluation
    assert (plain.compatibility, plain.service) == (None, None)
    compatibility = load_scenario(measured, ["evaluation.compatibility={images: stream}"]).evaluation.compatibility
    assert compatibility is not None
    assert (compatibility.query, compatibility.gallery) == ("test", "train")


def test_published_figures_need_not_be_those_of_every_session(measured: Path) -> None:
    row = load_scenario(measured).published["toy"]
    assert (row.accuracy, row.ac, row.am) == (None, 0.952, 0.689)
    both = load_scenario(measured, {"published.toy.accuracy": [0.5] * 7}).published["toy"]
    assert both.accuracy == [0.5] * 7
    found = problems_of(measured, overrides={"published.toy.accuracy": [0.5] * 8})
    assert "8 figures for 7 sessions" in found[0].what


@pytest.mark.parametrize("criterion", ["nearest_class_mean", "map", "cmc@1", "cmc@5", "cmc@10"])
def test_criteria(measured: Path, criterion: str) -> None:
    changed = load_scenario(measured, [f"evaluation.compatibility.criterion={criterion}"])
    assert changed.evaluation.compatibility is not None
    assert changed.evaluation.compatibility.criterion == criterion
    schema = scenario_schema()["$defs"]["CompatibilityEvaluation"]["properties"]["criterion"]
    assert re.search(schema["pattern"], criterion)
    assert not re.search(schema["pattern"], f"{criterion}x")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("criterion=cmc@0", "expected nearest_class_mean, map, r_precision, cmc@K or ndcg@K, got the string 'cmc@0'"),
        ("criterion=cmc", "expected nearest_class_mean, map, r_precision, cmc@K or ndcg@K"),
        ("criterion=mapp", "expected nearest_class_mean, map, r_precision, cmc@K or ndcg@K"),
        ("criterion=1", "expected a string, got 1"),
        ("also=[cmc@1,mapp]", "evaluation.compatibility.also.1: expected nearest_class_mean, map, r_precision, cmc@K"),
        ("also=map", "expected a list, got the string 'map'"),
        ("truncate=1", "expected true or false, got 1"),
        ("images=cifar1O", "evaluation.compatibility.images: there is no data set 'cifar1O'"),
        ("images='folder:'", "names no path"),
        ("images=held_out", "all 100 classes of cifar100 come in the stream"),
        ("images=null", "expected a string, got nothing (null)"),
        ("query=val", "expected train or test, got the string 'val'"),
        ("images_per_class=1001", "a class of cifar10 may have only 1000 test images"),
        ("images_per_class=0", "must be at least 1"),
        ("ties=1", "expected true or false, got 1"),
        ("tie=true", "unknown key 'tie' in evaluation.compatibility"),
    ],
)
def test_a_mistake_is_told_with_the_option(measured: Path, change: str, what: str) -> None:
    change = f"evaluation.compatibility.{change}"
    found = problems_of(measured, overrides=[change])
    assert [p.where for p in found if what in p.what] == [f"--set {change}"], [str(p) for p in found]
    assert len(found) == 1


def test_near_names_are_suggested(measured: Path) -> None:
    for change, meant in (("images=held-out", "held_out"), ("criterion=nearest_mean", "nearest_class_mean")):
        (problem,) = problems_of(measured, overrides=[f"evaluation.compatibility.{change}"])
        assert f"did you mean '{meant}'?" in (problem.fix or "")


def test_held_out_classes_are_those_that_sessions_leave(measured: Path) -> None:
    held_out = ["evaluation.compatibility.images=held_out", "stream.replacements=[]", "published={}"]
    load_scenario(measured, [*held_out, "stream.sessions=5"])
    assert len(problems_of(measured, overrides=[*held_out, "stream.sessions=6"])) == 1
    assert len(problems_of(measured, overrides=[*held_out, "stream.base_classes=100"])) == 1


def test_a_query_must_not_meet_itself_in_a_mean(measured: Path) -> None:
    same = "evaluation.compatibility.query=test"
    (problem,) = problems_of(measured, overrides=[same])
    assert problem.where == "scenarios/test.yaml:21"
    assert "each query meets itself in its class's mean" in problem.what
    assert "both test" in (problem.fix or "")
    load_scenario(measured, [same, "evaluation.compatibility.criterion=cmc@1"])
    load_scenario(measured, [same, "evaluation.compatibility.criterion=map"])
    means = [same, "evaluation.compatibility.criterion=map", "evaluation.service.criterion=nearest_class_mean"]
    (problem,) = problems_of(measured, overrides=means)
    assert problem.where == "--set evaluation.service.criterion=nearest_class_mean"
    measured.write_text(edited(REPLACEMENT, "    criterion: nearest_class_mean\n", ""))
    (problem,) = problems_of(measured, overrides=[same])
    assert problem.where == "scenarios/test.yaml:17"


def test_the_service_needs_images(measured: Path) -> None:
    (problem,) = problems_of(measured, overrides=["evaluation.compatibility=null"])
    assert problem.where == "scenarios/test.yaml:22"
    assert "needs evaluation.compatibility" in problem.what
    load_scenario(measured, ["evaluation.compatibility=null", "evaluation.service=null"])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("criterion=map", "evaluation.service.criterion: expected cmc@1 or nearest_class_mean, got the string 'map'"),
        ("queries=0", "evaluation.service.queries: must be at least 1"),
        ("steps=0", "evaluation.service.steps: must be at least 1"),
        ("step=5", "unknown key 'step' in evaluation.service"),
    ],
)
def test_a_mistake_of_the_service(measured: Path, change: str, what: str) -> None:
    (problem,) = problems_of(measured, overrides=[f"evaluation.service.{change}"])
    assert what in problem.what


def test_compatibility_is_measured_on_any_stream(scenario: Path) -> None:
    loaded = load_scenario(scenario, ["evaluation.compatibility={images: stream, images_per_class: 20}"])
    assert loaded.stream.kind == "fscil"
    (problem,) = problems_of(scenario, overrides=["evaluation.compatibility={images: stream, images_per_class: 21}"])
    assert "a class of shapes may have only 20 test images" in problem.what
