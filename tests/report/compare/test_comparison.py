"""What is computed: exactly what scipy computes from the figures in the files."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from helpers.errors import refused
from helpers.handmade import OURS, THEIRS, Make
from scipy import stats

import clsim

SEEDS = list(OURS)


def test_worked_out_by_hand(two: list[Path]) -> None:
    found = clsim.compare(two).to_dict()
    ours, theirs = (strategy["figures"]["final_accuracy"] for strategy in found["strategies"])
    assert ours["by_seed"] == {"1": 0.70, "2": 0.72, "3": 0.74}
    assert (ours["n"], ours["mean"], ours["deviation"]) == (3, pytest.approx(0.72), pytest.approx(0.02))
    assert ours["interval"] == pytest.approx((0.6703172, 0.7696828), abs=1e-7)
    assert theirs["mean"] == pytest.approx(0.64)
    (pair,) = found["differences"]
    difference = pair["figures"]["final_accuracy"]
    assert (pair["first"], pair["second"], pair["seeds"]) == ("ours", "theirs", [1, 2, 3])
    assert difference["mean"] == pytest.approx(0.08)
    assert difference["interval"] == pytest.approx((0.0303172, 0.1296828), abs=1e-7)
    assert difference["t_test"] == difference["t_test_holm"] == pytest.approx(0.0202041, abs=1e-7)
    assert difference["sign_flips"] == difference["sign_flips_holm"] == 0.25
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(clsim.compare(two).to_dict()))


def test_as_scipy_has_it_over_four_strategies_and_five_seeds(make: Make) -> None:
    rng, values = random.Random(0), dict[str, dict[int, list[float]]]()
    for name in ("a", "b", "c", "d"):
        values[name] = {seed: sorted((rng.random() for _ in range(3)), reverse=True) for seed in (5, 1, 9, 7, 2)}
    paths = [make(name, seed, row) for name, rows in values.items() for seed, row in rows.items()]
    found = clsim.compare(paths, confidence=0.9).to_dict()
    for strategy in found["strategies"]:
        for session in range(3):
            figures = [values[strategy["strategy"]][seed][session] for seed in strategy["seeds"]]
            figure = strategy["figures"][f"accuracy.{session}"]
            interval = stats.t.interval(0.9, 4, loc=stats.tmean(figures), scale=stats.sem(figures))
            assert figure["mean"] == pytest.approx(stats.tmean(figures))
            assert figure["deviation"] == pytest.approx(stats.tstd(figures))
            assert figure["interval"] == pytest.approx(interval)
    assert len(found["differences"]) == 6
    p_values = []
    for pair in found["differences"]:
        drops = [
            [values[pair[side]][s][0] - values[pair[side]][s][2] for s in pair["seeds"]] for side in ("first", "second")
        ]
        p_values.append(stats.ttest_rel(*drops).pvalue)
        assert pair["figures"]["performance_drop"]["t_test"] == pytest.approx(p_values[-1])
    ranked = sorted(p_values)
    corrected = [max(min(1, p * (6 - rank)) for rank, p in enumerate(ranked[: place + 1])) for place in range(6)]
    for pair, p in zip(found["differences"], p_values, strict=True):
        assert pair["figures"]["performance_drop"]["t_test_holm"] == pytest.approx(corrected[ranked.index(p)])
    assert any(note.startswith("Holm: p corrected for 6 pairs") for note in found["notes"])


def test_seeds_that_not_both_have_are_left_out_aloud(two: list[Path], make: Make) -> None:
    extra = make("ours", 8, [0.9, 0.8, 0.1])
    found = clsim.compare([*two, extra])
    assert found.strategies[0].spreads["final_accuracy"].n == 4
    (pair,) = found.pairs
    assert pair.seeds == SEEDS
    assert pair.figures["final_accuracy"].difference.mean == pytest.approx(0.08)
    assert "ours - theirs: 3 common seeds: 1, 2, 3; ours has 4, theirs 3" in found.notes


def test_pairs_are_of_one_seed_whatever_the_order_of_the_runs(two: list[Path]) -> None:
    first, *rest = two
    found = clsim.compare([first, *reversed(rest)])
    assert found.pairs[0].figures["final_accuracy"].difference.t_test == pytest.approx(0.0202041, abs=1e-7)


def test_one_common_seed_gives_no_interval_and_no_p(two: list[Path]) -> None:
    found = clsim.compare([*two[:3], two[4]])
    difference = found.pairs[0].figures["final_accuracy"].difference
    assert (difference.n, difference.mean) == (1, pytest.approx(OURS[2] - THEIRS[2]))
    assert (difference.interval, difference.t_test, difference.sign_flips) == (None, None, None)
    assert "ours - theirs: one common seed gives no interval and no p" in found.notes


def test_no_common_seed_gives_no_difference(two: list[Path]) -> None:
    found = clsim.compare([two[0], two[4]])
    assert found.pairs[0].figures == {}
    assert "ours - theirs: 0 common seeds; ours has 1, theirs 1" in found.notes


def test_a_run_by_itself(two: list[Path]) -> None:
    found = clsim.compare(two[0])
    assert found.strategies[0].spreads["final_accuracy"] == (1, 0.70, None, None)
    assert found.pairs == []
    assert found.notes == []


def test_against_one(two: list[Path], make: Make) -> None:
    third = [make("third", seed, [0.9, 0.8, 0.5]) for seed in SEEDS]
    found = clsim.compare([*two, *third], against="theirs")
    assert [(pair.first, pair.second) for pair in found.pairs] == [("ours", "theirs"), ("third", "theirs")]
    with refused(where="--against", names=("'thiers'", "did you mean 'theirs'")):
        clsim.compare(two, against="thiers")


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, float("nan")])
def test_a_confidence_is_a_share(two: list[Path], confidence: float) -> None:
    with refused(names=("confidence",)):
        clsim.compare(two, confidence=confidence)


def test_published_rows_beside_ours(make: Make) -> None:
    rows = {
        "ours": {"accuracy": [0.95, 0.85, 0.75], "source": "a paper"},
        "absent": {"accuracy": [0.5, 0.4, 0.3], "source": "another"},
    }
    runs = [make("ours", seed, [0.9, 0.8, final], scenario={"published": rows}) for seed, final in OURS.items()]
    found = clsim.compare(runs).to_dict()
    figures = found["strategies"][0]["figures"]
    assert figures["final_accuracy"]["minus_published"] == pytest.approx(0.72 - 0.75)
    assert figures["accuracy.0"]["minus_published"] == pytest.approx(0.9 - 0.95)
    assert figures["average_accuracy"]["minus_published"] == pytest.approx((0.9 + 0.8 + 0.72) / 3 - 0.85)
    assert figures["performance_drop"]["minus_published"] == pytest.approx(0.18 - 0.2)
    assert figures["base_accuracy"]["minus_published"] is None
    assert found["published"]["absent"]["source"] == "another"
    assert found["published"]["absent"]["figures"]["average_accuracy"] == pytest.approx(0.4)


def upgrade(make: Make, strategy: str, seed: int, new_old: float, new_new: float, **told: Any) -> Path:
    further = {"map": [[0.25, None], [new_old / 2, new_new / 2]]}
    return make(strategy, seed, [0.5, 0.6], matrix=[[0.5], [new_old, new_new]], matrices=further, **told)


def test_upgrades_by_every_criterion_and_gains_by_the_reference_of_the_seed(make: Make) -> None:
    row = {"ours": {"upgrade": {"cmc@1": {"new_old": 0.6}, "map": {"new_new": 0.5}}, "source": "a paper"}}
    paths = [upgrade(make, "ours", seed, 0.55 + 0.05 * seed, 0.75, scenario={"published": row}) for seed in (0, 1)]
    paths += [upgrade(make, "independent", seed, 0.0, 0.7 + 0.1 * seed) for seed in (0, 1)]
    figures = clsim.compare(paths).to_dict()["strategies"][0]["figures"]
    assert figures["cmc@1.old_old"]["mean"] == 0.5
    assert figures["cmc@1.new_old"]["mean"] == pytest.approx(0.575)
    assert figures["cmc@1.new_old"]["minus_published"] == pytest.approx(0.575 - 0.6)
    assert figures["map.new_new"]["minus_published"] == pytest.approx(0.375 - 0.5)
    assert figures["update_gain_independent"]["by_seed"] == pytest.approx({"0": 0.05 / 0.2, "1": 0.1 / 0.3})
    assert figures["update_gain"]["mean"] == 0.5
    assert figures["self_test"]["mean"] == 0.75
    assert figures["negative_flip_rate"]["mean"] == 0.125
    assert figures["self_test.0"]["mean"] == 0.5


def test_figures_are_named_in_the_order_in_which_they_matter(two: list[Path]) -> None:
    assert clsim.compare(two).figures == [
        "final_accuracy",
        "average_accuracy",
        "performance_drop",
        "base_accuracy",
        "accuracy.0",
        "accuracy.1",
        "accuracy.2",
    ]
