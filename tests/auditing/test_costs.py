"""Costs of arrangements."""

import pytest
from helpers.upgrades import FAST, inputs

from clsim.auditing.audit import audit_vectors
from clsim.auditing.costs import Timed, timed
from clsim.auditing.settings import Prices


@pytest.fixture(scope="module")
def costs():
    found = audit_vectors(inputs(), FAST, Prices(new_seconds=20.0, new_money=0.5, items=10_000))
    return {each.name: each.cost for each in reversed(found.arrangements)}


def test_re_indexing_embeds_everything_at_its_price(costs):
    cost = costs["full_reindex"]
    assert (cost.embedded_items, cost.embed_seconds, cost.embed_money) == (10_000, 200.0, 5.0)
    assert cost.stored_bytes == 10_000 * 32 * 4
    assert (costs["partial_reindex_random"].embedded_items, costs["partial_reindex_random"].embed_money) == (5000, 2.5)


def test_what_keeps_the_old_vectors_embeds_nothing(costs):
    for name in ("do_nothing", "naive_swap", "bridge_query", "map_gallery", "cascade"):
        assert (costs[name].embedded_items, costs[name].embed_money) == (0, 0.0)
    assert costs["do_nothing"].stored_bytes == 10_000 * 24 * 4
    assert costs["map_gallery"].stored_bytes == 10_000 * 32 * 4
    assert costs["map_gallery"].build_seconds > 0 and costs["do_nothing"].build_seconds is None


def test_a_cascade_embeds_its_candidates_for_every_query(costs):
    assert costs["cascade"].embeddings_per_query == 2 + FAST.candidates
    assert costs["two_indexes_rank_merge"].embeddings_per_query == 2
    assert costs["bridge_query"].embeddings_per_query == 1


def test_times_are_positive_and_ordered(costs):
    assert all(0 < cost.query_ms_p50 <= cost.query_ms_p99 for cost in costs.values())
    assert costs["bridge_query"].query_ms_p50 > costs["do_nothing"].query_ms_p50


def test_unknown_prices_stay_unknown():
    found = audit_vectors(inputs(), FAST)
    assert found.arrangement("full_reindex").cost.embed_seconds is None
    assert found.arrangement("full_reindex").cost.embed_money is None


def test_times_add_up_and_scale():
    assert Timed(1.0, 2.0) + Timed(0.5, 1.0) == Timed(1.5, 3.0)
    assert Timed(1.0, 2.0).scaled(10) == Timed(10.0, 20.0)
    calls = []
    timed(calls.append, 3)
    assert calls == [0, 0, 1, 2]
