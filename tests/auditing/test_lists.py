"""Lists of every arrangement, from synthetic upgrades whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.upgrades import FAST, inputs

from clsim.auditing.fitting import fit_candidates
from clsim.auditing.lists import cascaded, half_migrated, is_fresh, orders_of, search_all
from clsim.auditing.material import Inputs, split_inputs
from clsim.data.vectors import as_vectors


def silent(line):
    pass


@pytest.fixture
def rotated():
    """An upgrade that is a rotation: bridges are exact, and calibrated scores are those of the new model."""
    random = np.random.default_rng(0)
    old = random.normal(size=(800, 12)).astype(np.float32)
    new = (old @ np.linalg.qr(random.normal(size=(12, 12)))[0]).astype(np.float32)
    material = split_inputs(Inputs(as_vectors(old), as_vectors(new)), FAST)
    fitted = fit_candidates(material, FAST, silent)
    return material, fitted, search_all(material, fitted, FAST, silent)


def test_bridged_lists_of_a_rotation_are_those_of_the_new_model(rotated):
    _material, fitted, searches = rotated
    assert searches.bridge.name == fitted.best("query").name
    assert searches.bridged.items[:, :10].equal(searches.new.items[:, :10])
    assert torch.allclose(searches.bridged.scores, searches.new.scores, atol=1e-3)
    mapped = [each for each in searches.single if each.name == "map_gallery"]
    assert {each.bridge.name for each in mapped} == {"procrustes", "ridge"}
    assert all(each.lists.items[:, :10].equal(searches.new.items[:, :10]) for each in mapped)


def test_any_mixed_index_of_a_rotation_is_the_new_index(rotated):
    material, fitted, searches = rotated
    orders = orders_of(material, searches, fitted, FAST)
    for served in half_migrated(searches, material, orders["partial_reindex_random"], FAST):
        overlap = np.mean(
            [
                len(set(a) & set(b)) / 10
                for a, b in zip(served.lists.items.tolist(), searches.new.items[:, :10].tolist(), strict=True)
            ]
        )
        # Fusion by rank takes five of each half, whatever their scores.
        assert overlap > (0.6 if served.name == "mixed_index_rrf" else 0.99)


def test_a_cascade_over_all_items_is_the_new_index(rotated):
    material, _, searches = rotated
    wide = replace(FAST, candidates=len(material.test.old))
    found = search_all(material, fit_candidates(material, wide, silent), wide, silent)
    assert cascaded(found, material, wide).lists.items.equal(searches.new.items[:, :10])
    narrow = cascaded(searches, material, replace(FAST, candidates=10)).lists.items
    assert narrow.sort(1).values.equal(searches.old.items[:, :10].sort(1).values)


def test_scores_of_a_cascade_are_cosines_of_the_new_model():
    material = split_inputs(inputs(), FAST)
    searches = search_all(material, fit_candidates(material, FAST, silent), FAST, silent)
    found = cascaded(searches, material, FAST, chunk=50).lists
    row, place = 3, int(found.items[3, 0])
    item = torch.from_numpy(material.test.new[np.array([place])])
    expected = torch.nn.functional.cosine_similarity(item, material.test.query_new[row][None])
    assert found.scores[row, 0].item() == pytest.approx(expected.item(), abs=1e-5)


def test_orders_hold_each_item_once_and_popular_items_first():
    material = split_inputs(inputs(), FAST)
    fitted = fit_candidates(material, FAST, silent)
    searches = search_all(material, fitted, FAST, silent)
    orders = orders_of(material, searches, fitted, FAST)
    count = len(material.test.old)
    assert list(orders) == [f"partial_reindex_{name}" for name in ("random", "uncertain_first", "popular_first")]
    assert all(order.sort().values.equal(torch.arange(count)) for order in orders.values())
    unit = torch.nn.functional.normalize
    gallery = unit(torch.from_numpy(material.test.old[np.arange(count)]), dim=1)
    asked = unit(material.validation.query_old, dim=1) @ gallery.T
    popular = asked.topk(10, dim=1).indices.flatten().bincount(minlength=count)
    in_order = popular[orders["partial_reindex_popular_first"]]
    assert (in_order[1:] <= in_order[:-1]).all() and in_order[0] > in_order[-1]


def test_uncertain_items_have_larger_residuals():
    """Half of the items are mapped exactly, the others not at all: these come first."""
    random = np.random.default_rng(0)
    old = random.normal(size=(2000, 8)).astype(np.float32)
    odd = random.integers(0, 2, 2000).astype(bool)
    old[odd] += 8
    new = old.copy()
    new[odd] = random.normal(size=(odd.sum(), 8)) * 3
    material = split_inputs(Inputs(as_vectors(old), as_vectors(new)), FAST)
    fitted = fit_candidates(material, FAST, silent)
    searches = search_all(material, fitted, FAST, silent)
    order = orders_of(material, searches, fitted, FAST)["partial_reindex_uncertain_first"]
    first = odd[material.test.old.positions[order[: len(order) // 3].numpy()]]
    assert first.mean() > 0.95


def test_without_bridges_the_halves_keep_their_own_queries():
    settings = replace(FAST, bridges=("identity",))
    material = split_inputs(inputs(), settings)
    fitted = fit_candidates(material, settings, silent)
    searches = search_all(material, fitted, settings, silent)
    assert searches.bridged is None and [each.name for each in searches.single] == ["naive_swap"]
    made = half_migrated(searches, material, torch.arange(len(material.test.old)), settings)
    assert [each.name for each in made] == ["two_indexes_rank_merge"]


def test_in_a_large_gallery_only_the_chosen_bridges_are_measured():
    settings = replace(FAST, all_bridges=10)
    material = split_inputs(inputs(), settings)
    fitted = fit_candidates(material, settings, silent)
    found = search_all(material, fitted, settings, silent)
    assert [each.name for each in found.single] == ["naive_swap", "map_gallery"]
    assert found.single[1].bridge is fitted.best("gallery") and found.bridge is fitted.best("query")


def test_a_fraction_of_an_order_is_fresh():
    assert is_fresh(torch.tensor([3, 1, 0, 2]), 0.25).tolist() == [False, False, False, True]
    assert not is_fresh(torch.arange(4), 0.0).any() and is_fresh(torch.arange(4), 1.0).all()
