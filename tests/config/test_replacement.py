"""Streams into which models arrive: what a scenario may say of them, and what every mistake says."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.workspace import REPLACEMENT, edited, problems_of

from clsim.config import load_scenario
from clsim.config.discovery import find_scenario
from clsim.config.json_schema import scenario_schema

DRAWN = """\
  replacements:
    poisson: {rate: 0.5, seed: 7}
    models: [v2, v3]
    initial: v1
"""
LISTED = REPLACEMENT[REPLACEMENT.index("  replacements:") : REPLACEMENT.index("strategy:")]


@pytest.fixture
def replacement(scenario: Path) -> Path:
    scenario.write_text(REPLACEMENT)
    return scenario


def test_a_list_of_moments_is_loaded(replacement: Path) -> None:
    loaded = load_scenario(replacement)
    assert loaded.sessions == 7
    assert loaded.stream.kind == "replacement"
    assert [(item.model, item.before, item.during, item.after_iterations) for item in loaded.stream.replacements] == [
        ("v1", 0, None, None),
        ("v2", 2, None, None),
        ("v3", None, 4, 120),
    ]
    assert loaded.stream.summary(loaded.sessions) == ["7 sessions", "3 replacements"]


def test_drawn_moments_are_loaded(replacement: Path) -> None:
    replacement.write_text(edited(REPLACEMENT, LISTED, DRAWN))
    loaded = load_scenario(replacement)
    given = loaded.stream.replacements
    assert (given.poisson.rate, given.poisson.seed, given.models, given.initial) == (0.5, 7, ["v2", "v3"], "v1")
    assert loaded.stream.summary(7)[-1] == "up to 3 replacements at drawn moments"
    assert load_scenario(replacement, ["stream.replacements.poisson.rate=2"]).stream.replacements.poisson.rate == 2
    assert load_scenario(replacement, ["stream.replacements.initial=null"]).stream.replacements.initial is None


@pytest.mark.parametrize("text", [REPLACEMENT, edited(REPLACEMENT, LISTED, DRAWN)])
def test_it_survives_writing(replacement: Path, text: str) -> None:
    replacement.write_text(text)
    loaded = load_scenario(replacement)
    Path("again.yaml").write_text(loaded.to_yaml())
    assert load_scenario("again.yaml").model_dump() == loaded.model_dump()


def test_overrides_reach_the_replacements(replacement: Path) -> None:
    assert load_scenario(replacement, ["stream.replacements=[]"]).stream.replacements == []
    assert load_scenario(replacement, ["stream.replacements=[]"]).stream.summary(1) == ["1 session", "no replacements"]
    one = load_scenario(replacement, ["stream.replacements=[{model: v2, before: 1}]"])
    assert [item.model for item in one.stream.replacements] == ["v2"]
    (problem,) = problems_of(replacement, overrides=["stream.replacements=[{model: v9, before: 1}]"])
    assert problem.where == "--set stream.replacements=[{model: v9, before: 1}]"


def test_an_incremental_stream_is_the_same_without_them(replacement: Path) -> None:
    plain = edited(edited(REPLACEMENT, LISTED, ""), "kind: replacement", "kind: incremental")
    replacement.write_text(plain)
    loaded = load_scenario(replacement)
    assert (loaded.sessions, loaded.stream.images_per_class) == (7, 300)
    (problem,) = problems_of(replacement, overrides=["stream.replacements=[]"])
    assert "unknown key 'replacements' in stream" in problem.what


@pytest.mark.parametrize(("ways", "sessions"), [(15, 7), (3, 31)])
def test_the_published_streams_have_7_and_31_sessions(replacement: Path, ways: int, sessions: int) -> None:
    assert load_scenario(replacement, {"stream.ways": ways}).sessions == sessions


@pytest.mark.parametrize(("name", "sessions"), [("cifar_replacement_7", 7), ("cifar_replacement_31", 31)])
def test_published_rows_stand_beside_the_images_of_the_notebooks_they_are_from(name: str, sessions: int) -> None:
    """All 500 images of each class; the authors' package takes 300, and that is a setting."""
    loaded = load_scenario(find_scenario(name))
    assert (loaded.sessions, loaded.stream.images_per_class) == (sessions, None)
    assert load_scenario(find_scenario(name), ["stream.images_per_class=300"]).stream.images_per_class == 300


def test_the_last_session_can_be_named_and_the_one_after_it_cannot(replacement: Path) -> None:
    load_scenario(replacement, ["stream.replacements=[{model: v1, before: 6}]"])
    (problem,) = problems_of(replacement, overrides=["stream.replacements=[{model: v1, before: 7}]"])
    assert problem.what == "stream.replacements.0.before: there is no session 7"
    # The sessions of a folder are known only when it is loaded.
    load_scenario(replacement, ["stream.dataset=folder:x", "stream.replacements=[{model: v1, before: 70}]"])


LIST = [
    ("{model: v2,", "{model: w2,", 9, "stream.replacements.1.model: there is no 'w2' in models", "did you mean 'v2'?"),
    ("{model: v2,", "{modle: v2,", 9, "unknown key 'modle' in stream.replacements.1", "did you mean 'model'?"),
    ("{model: v2,", "{model: 2,", 9, "stream.replacements.1.model: expected a string, got 2", ""),
    ("{model: v2, ", "{", 9, "the key 'model' is missing in stream.replacements.1", ""),
    ("before: 2", "before: 2, during: 3", 9, "before and during exclude each other", "before: SESSION, or during"),
    ("before: 2", "before: 2, after_iterations: 3", 9, "before and after_iterations exclude each other", ""),
    ("before: 2", "during: 2", 9, "during without after_iterations does not say when", "or before: 2"),
    (", before: 2", "", 9, "does not say when the model arrives", "before: SESSION"),
    ("before: 2", "after_iterations: 3", 9, "does not say when the model arrives", "during: SESSION"),
    ("before: 2", "before: 7", 9, "stream.replacements.1.before: there is no session 7", "0 (the base session) to 6"),
    ("before: 2", "before: -1", 9, "stream.replacements.1.before: must be at least 0, got -1", ""),
    ("before: 2", "before: two", 9, "stream.replacements.1.before: expected an integer", ""),
    ("before: 2", "before: 0", 9, "stream.replacements.1: arrives at the same moment as stream.replacements.0", "move"),
    ("during: 4", "during: 7", 10, "stream.replacements.2.during: there is no session 7", ""),
    ("after_iterations: 120", "after_iterations: 0", 10, "after_iterations: must be at least 1, got 0", ""),
    ("before: 2", "during: 4, after_iterations: 120", 10, "arrives at the same moment as stream.replacements.1", ""),
    ("{model: v2, before: 2}", "v2", 9, "stream.replacements.1: expected a block of keys, got the string 'v2'", ""),
    (LISTED, "  replacements: v1\n", 7, "stream.replacements: expected a list or a block of keys, got the string", ""),
    (LISTED, "", 1, "the key 'replacements' is missing in stream", ""),
    ("images_per_class: 300", "images_per_class: 501", 6, "may have only 500 training images", ""),
    ("images_per_class: 300", "shots: 5", 6, "unknown key 'shots' in stream", "images_per_class"),
    ("ways: 15", "ways: 16", 5, "leave 10 of 100 classes over", ""),
    (
        "kind: classifier",
        "kind: clasifier",
        13,
        "models.v1.kind: expected clip, classifier",
        "did you mean 'classifier'?",
    ),
]
POISSON = [
    ("rate: 0.5", "rate: 0", 8, "stream.replacements.poisson.rate: must be more than 0", ""),
    ("rate: 0.5", "rte: 0.5", 8, "unknown key 'rte' in stream.replacements.poisson", "did you mean 'rate'?"),
    ("rate: 0.5, seed: 7", "rate: 0.5", 8, "the key 'seed' is missing in stream.replacements.poisson", ""),
    ("[v2, v3]", "[v2, w3]", 9, "stream.replacements.models.1: there is no 'w3' in models", "did you mean 'v3'?"),
    ("[v2, v3]", "[]", 9, "stream.replacements.models: must be not empty", ""),
    ("initial: v1", "initial: w1", 10, "stream.replacements.initial: there is no 'w1' in models", "did you mean 'v1'?"),
    ("initial: v1", "intial: v1", 10, "unknown key 'intial' in stream.replacements", "did you mean 'initial'?"),
]


@pytest.mark.parametrize(("old", "new", "line", "what", "fix"), LIST)
def test_a_mistake_in_the_list_is_told_with_its_line(
    replacement: Path, old: str, new: str, line: int, what: str, fix: str
) -> None:
    tells(replacement, edited(REPLACEMENT, old, new), line, what, fix)


@pytest.mark.parametrize(("old", "new", "line", "what", "fix"), POISSON)
def test_a_mistake_in_the_process_is_told_with_its_line(
    replacement: Path, old: str, new: str, line: int, what: str, fix: str
) -> None:
    tells(replacement, edited(edited(REPLACEMENT, LISTED, DRAWN), old, new), line, what, fix)


def tells(path: Path, text: str, line: int, what: str, fix: str) -> None:
    found = problems_of(path, text)
    told = [p for p in found if what in p.what and p.where == f"scenarios/test.yaml:{line}" and fix in (p.fix or "")]
    assert told, [str(problem) for problem in found]


def test_without_models_it_says_how_to_describe_one(replacement: Path) -> None:
    found = problems_of(replacement, overrides=["models={}"])
    assert found[0].fix == "describe it: models: {v1: {kind: ...}}"
    assert len(found) == 3


def test_every_mistake_at_once(replacement: Path) -> None:
    text = edited(edited(REPLACEMENT, "before: 2", "before: 20"), "v3, during: 4, ", "v4, ")
    assert [(problem.where, problem.what) for problem in problems_of(replacement, text)] == [
        ("scenarios/test.yaml:9", "stream.replacements.1.before: there is no session 20"),
        ("scenarios/test.yaml:10", "stream.replacements.2.model: there is no 'v4' in models"),
        ("scenarios/test.yaml:10", "stream.replacements.2: does not say when the model arrives"),
    ]


def test_the_json_schema_knows_every_kind_of_stream() -> None:
    schema = scenario_schema()
    kinds = schema["properties"]["stream"]["discriminator"]["mapping"]
    assert set(kinds) == {"fscil", "incremental", "replacement", "upgrade", "text_upgrade"}
    for kind in ("FscilStream", "IncrementalStream", "ReplacementStream", "UpgradeStream"):
        assert "cifar100" in schema["$defs"][kind]["properties"]["dataset"]["anyOf"][0]["enum"]
    assert set(schema["$defs"]["ListedReplacement"]["properties"]) == {"model", "before", "during", "after_iterations"}
