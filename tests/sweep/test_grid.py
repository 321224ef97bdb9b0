"""Points of a sweep and what their directories are called."""

import pytest

from clsim.sweep.grid import LONGEST, of_strategy, points, slug
from clsim.sweep.schema import Sweep


def test_every_entry_of_the_list_meets_every_combination_of_the_grid():
    sweep = Sweep(scenario="x", overrides={"c": 0}, list=[{"a": 1, "b": 1}, {"a": 2}], grid={"x": [3, 4], "y": ["z"]})
    found = list(points(sweep))
    assert [point for point, _ in found] == [
        {"a": 1, "b": 1, "x": 3, "y": "z"},
        {"a": 1, "b": 1, "x": 4, "y": "z"},
        {"a": 2, "x": 3, "y": "z"},
        {"a": 2, "x": 4, "y": "z"},
    ]
    assert found[3][1] == {"c": ("overrides", "c"), "a": ("list", 1, "a"), "x": ("grid", "x", 1), "y": ("grid", "y", 0)}


def test_without_grid_and_list_there_is_one_point():
    assert [point for point, _ in points(Sweep(scenario="x"))] == [{}]


def test_settings_of_another_strategy_change_nothing():
    changes = {"strategies.a.lr": 1, "strategies.b.lr": 2, "strategy.epochs": 3, "stream.shots": 4}
    assert of_strategy(changes, "b") == {"strategies.b.lr": 2, "strategy.epochs": 3, "stream.shots": 4}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "as_it_is"),
        ({"strategy.lr": 0.1, "stream.shots": 5}, "lr=0.1,stream.shots=5"),
        ({"strategies.a.lr": 1e-05}, "lr=1e-05"),
        ({"strategy.lr": 1, "strategies.a.lr": 1}, "strategy.lr=1,strategies.a.lr=1"),
        ({"strategy.on": True, "strategy.none": None}, "on=true,none=null"),
    ],
)
def test_readable_names(changes, name):
    assert slug(changes) == name


def test_what_no_name_can_hold_is_told_by_a_hash():
    odd = [{"a": "../../x"}, {"a": "3"}, {"a": [3, 4]}, {"a": "é"}, {"a": "x" * 300}, {"a": "x" * 301}, {"a": 3}]
    names = [slug(changes) for changes in odd]
    assert len(set(names)) == len(odd)
    assert all(len(name) <= LONGEST and "/" not in name and name.isascii() for name in names)
    assert names == [slug(changes) for changes in odd]
