"""Mistakes in ``budget:`` and ``draws:``, each with its place."""

import pytest
from helpers.workspace import REPLACEMENT, SCENARIO, problems_of

from clsim.config import load_scenario

UPGRADE = "stream: {kind: upgrade, dataset: shapes, classes: [50, 100]}\nstrategy: toy\n"


def named(path, text):
    return [str(problem) for problem in problems_of(path, text)]


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("budget: {}", ["budget", "steps", "images"]),
        ("budget: {steps: 5, images: 5}", ["budget", "exclude"]),
        ("budget: {steps: 5, base: {}}", ["budget.base", "steps"]),
        ("budget: {steps: 0}", ["budget.steps"]),
        ("budget: {epochs: 5}", ["epochs"]),
        ("draws: 1", ["draws"]),
        ("draws: many", ["draws"]),
    ],
)
def test_a_value_that_cannot_be_meant_is_named(scenario, block, words):
    (problem, *_) = named(scenario, f"{SCENARIO}{block}\n")
    assert all(word in problem for word in words)


def test_draws_need_shots_sessions_and_no_comparison_of_versions(scenario):
    (problem,) = named(scenario, f"{UPGRADE}draws: 3\n")
    assert "draws" in problem
    assert "upgrade" in problem
    alone = SCENARIO.replace("shots: 5", "shots: 5\n  sessions: 0").replace(
        "0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1", "0.9"
    )
    (problem,) = named(scenario, f"{alone}draws: 3\n")
    assert "no session" in problem
    compared = SCENARIO.replace("forgetting: true", "forgetting: true, compatibility: {images: stream}")
    (problem,) = named(scenario, f"{compared}draws: 3\n")
    assert "evaluation.compatibility" in problem


def test_a_seed_of_the_shots_has_an_effect_on_draws(scenario):
    scenario.write_text(f"{SCENARIO}seeds: {{shots: 4}}\ndraws: 3\n")
    assert load_scenario("test").draws == 3
    assert "seeds.shots" in named(scenario, f"{SCENARIO}seeds: {{shots: 4}}\n")[0]


def test_a_model_cannot_arrive_after_the_budget(scenario):
    (problem,) = named(scenario, f"{REPLACEMENT}budget: {{steps: 100}}\n")
    assert "stream.replacements.2.after_iterations" in problem
    assert "120" in problem


def test_a_budget_is_another_protocol_than_the_published_one_and_draws_are_not(scenario):
    assert load_scenario("test", {"budget.steps": 5}).other_protocol == ("budget",)
    assert load_scenario("test", {"budget.steps": 5}).published == {}
    assert load_scenario("test", {"draws": 5}).published
