"""The rule of the verdict, case by case."""

from dataclasses import replace

import pytest

from clsim.auditing.record import Arrangement, Curve
from clsim.auditing.settings import AuditSettings
from clsim.auditing.verdict import decide
from clsim.metrics.functional.bootstrap import Estimate

SETTINGS = AuditSettings()


def made(name, kept, gain, *, half=0.01, bridge=None, curve=None):
    around = [Estimate(value, value - half, value + half) for value in (kept, gain)]
    return Arrangement(name, bridge, {}, 1000, *around, curve=curve)


def with_ends(*between, gain=0.2, half=0.01):
    return [made("do_nothing", 0.8, 0.0, half=0.0), *between, made("full_reindex", 1.0, gain, half=half)]


def test_nothing_is_done_for_a_small_gain():
    found = decide(with_ends(made("naive_swap", 0.99, 0.1), gain=-0.02), SETTINGS)
    assert (found.choice, found.arrangement) == ("do_nothing", "do_nothing")
    assert "-2.0 points (-3.0 to -1.0)" in found.because


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("naive_swap", "swap"),
        ("bridge_query", "bridge"),
        ("map_gallery", "map_gallery"),
        ("cascade", "cascade"),
    ],
)
def test_the_cheapest_that_keeps_enough_is_chosen(name, choice):
    found = decide(with_ends(made(name, 0.97, 0.1), made("cascade", 1.0, 0.2)), SETTINGS)
    assert (found.choice, found.arrangement, found.undecided) == (choice, name, None)


def test_the_bridge_that_validation_chose_counts_and_not_the_one_that_looks_best_on_the_test():
    first, second = made("bridge_query", 0.9, 0.1, bridge="ridge"), made("bridge_query", 0.99, 0.2, bridge="procrustes")
    assert decide(with_ends(first, second), SETTINGS).choice == "reindex"
    found = decide(with_ends(second, first), SETTINGS)
    assert (found.choice, found.bridge) == ("bridge", "procrustes")


def test_what_keeps_enough_but_gains_nothing_is_not_chosen():
    assert decide(with_ends(made("bridge_query", 0.97, -0.05)), SETTINGS).choice == "reindex"


def test_a_migration_names_the_fraction_that_suffices():
    curve = Curve((0.0, 0.25, 0.5, 0.75, 1.0), (0.5, 0.77, 0.78, 0.79, 0.8), 0.7)
    migrate = made("partial_reindex_popular_first", 0.975, 0.1, curve=curve)
    found = decide(with_ends(migrate), SETTINGS)
    assert (found.choice, found.fraction) == ("migrate", 0.25)
    dip = replace(migrate, curve=Curve((0.0, 0.5, 0.75, 1.0), (0.78, 0.7, 0.77, 0.8), 0.7))
    assert decide(with_ends(dip), SETTINGS).fraction == 0.75


def test_everything_is_re_indexed_if_nothing_else_is_enough():
    found = decide(with_ends(made("cascade", 0.9, 0.1)), SETTINGS)
    assert (found.choice, found.arrangement) == ("reindex", "full_reindex")
    assert "95%" in found.because and "+20.0 points" in found.because


def test_overlapping_intervals_cannot_decide_and_count_queries():
    found = decide(with_ends(made("bridge_query", 0.955, 0.1, bridge="ridge"), made("cascade", 0.99, 0.2)), SETTINGS)
    assert (found.choice, found.undecided, found.arrangement) == ("cannot_tell", "bridge_query", "cascade")
    assert found.queries_needed == 4000  # the distance to the threshold is half of the half-width
    assert "4,000 queries would decide" in found.because


def test_the_number_of_queries_is_of_the_slower_doubt():
    doubtful = made("bridge_query", 0.955, 0.002)
    assert decide(with_ends(doubtful), SETTINGS).queries_needed == 25_000
    assert decide(with_ends(replace(doubtful, gain=Estimate(0.0, -0.1, 0.1))), SETTINGS).queries_needed is None


def test_an_unclear_gain_cannot_decide_whether_to_do_anything():
    found = decide(with_ends(made("naive_swap", 0.99, 0.01), gain=0.015), SETTINGS)
    assert (found.choice, found.undecided, found.arrangement) == ("cannot_tell", "do_nothing", "full_reindex")
    assert found.queries_needed == 4000


def test_thresholds_are_settings():
    given = with_ends(made("bridge_query", 0.9, 0.1))
    assert decide(given, replace(SETTINGS, keep=0.85)).choice == "bridge"
    assert decide(given, replace(SETTINGS, least_gain=0.3)).choice == "do_nothing"
