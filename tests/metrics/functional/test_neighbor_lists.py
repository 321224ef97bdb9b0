"""Filtered, merged, fused and reranked lists, against plain loops."""

import pytest
import torch
from torch.nn import functional as F

from clsim.metrics import Neighbors, cascade, keep_items, merge_by_score, nearest, reciprocal_rank_fusion


def lists(seed, queries=20, items=15, length=6, grid=None):
    """Random neighbors; scores on a coarse grid tie often."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(queries, items, generator=generator, dtype=torch.float64)
    scores = scores if grid is None else (scores * grid).floor() / grid
    best = scores.sort(dim=1, descending=True, stable=True)
    return Neighbors(best.values[:, :length], best.indices[:, :length])


def as_pairs(found, query):
    pairs = zip(found.items[query].tolist(), found.scores[query].tolist(), strict=True)
    return [(item, score) for item, score in pairs if item >= 0]


def check(found, query, expected, k):
    pairs = as_pairs(found, query)
    assert [item for item, _ in pairs] == [item for item, _ in expected[:k]]
    assert [score for _, score in pairs] == pytest.approx([score for _, score in expected[:k]], abs=1e-6)
    assert found.items.shape == found.scores.shape == (len(found.items), k)
    assert found.items[query, len(pairs) :].tolist() == [-1] * (k - len(pairs))
    assert bool((found.scores[query, len(pairs) :] == -float("inf")).all())


def ranked(table):
    return sorted(table.items(), key=lambda pair: (-pair[1], pair[0]))


@pytest.mark.parametrize("grid", [None, 3])
@pytest.mark.parametrize("k", [1, 5, 30])
def test_merging_keeps_the_best_score_of_each_item(grid, k):
    parts = [lists(seed, grid=grid) for seed in range(3)]
    merged = merge_by_score(parts, k)
    for query in range(20):
        table = {}
        for part in parts:
            for item, score in as_pairs(part, query):
                table[item] = max(table.get(item, -9), score)
        check(merged, query, ranked(table), k)


@pytest.mark.parametrize("constant", [60.0, 1.0])
@pytest.mark.parametrize("k", [1, 5, 30])
def test_fusion_sums_reciprocal_ranks(constant, k):
    parts = [lists(seed) for seed in range(3)]
    parts[1] = keep_items(parts[1], torch.arange(15) % 3 > 0)
    fused = reciprocal_rank_fusion(parts, k, constant)
    for query in range(20):
        table = {}
        for part in parts:
            for rank, (item, _) in enumerate(as_pairs(part, query), 1):
                table[item] = table.get(item, 0) + 1 / (constant + rank)
        check(fused, query, ranked(table), k)


def test_kept_items_stay_in_order():
    found, keep = lists(0), torch.arange(15) % 2 == 0
    kept = keep_items(found, keep)
    for query in range(20):
        check(kept, query, [(item, score) for item, score in as_pairs(found, query) if keep[item]], 6)


def test_two_halves_of_an_index_give_the_whole():
    generator = torch.Generator().manual_seed(0)
    query, gallery = torch.randn(9, 5, generator=generator), torch.randn(40, 5, generator=generator)
    whole = Neighbors(*nearest(query, gallery, 40))
    mask = torch.rand(40, generator=generator) < 0.5
    merged = merge_by_score([keep_items(whole, mask), keep_items(whole, ~mask)], 10)
    assert torch.equal(merged.items, whole.items[:, :10])


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_a_cascade_ranks_its_candidates_by_the_new_model(chunk):
    generator = torch.Generator().manual_seed(0)
    query, gallery = torch.randn(7, 5, generator=generator), torch.randn(30, 5, generator=generator)
    candidates = torch.stack([torch.randperm(30, generator=generator)[:8] for _ in range(7)])
    candidates[2, 3:] = -1
    found = cascade(candidates, query, gallery, k=6, chunk=chunk)
    cosine = F.normalize(query.double()) @ F.normalize(gallery.double()).T
    for row in range(7):
        table = {item: float(cosine[row, item]) for item in candidates[row].tolist() if item >= 0}
        check(found, row, ranked(table), 6)


def test_a_cascade_over_everything_is_a_search():
    generator = torch.Generator().manual_seed(1)
    query, gallery = torch.randn(7, 5, generator=generator), torch.randn(30, 5, generator=generator)
    found = cascade(torch.arange(30).expand(7, 30), query, gallery, k=10)
    assert torch.equal(found.items, nearest(query, gallery, 10)[1])


def test_wrong_inputs_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        merge_by_score([], 3)
    with pytest.raises(ValueError, match="queries"):
        reciprocal_rank_fusion([lists(0), lists(0, queries=3)], 3)
    with pytest.raises(ValueError, match="k"):
        merge_by_score([lists(0)], 0)
    for candidates in ([[30]], [[-2]], [[0], [0]], [0]):
        with pytest.raises(ValueError, match="candidates"):
            cascade(candidates, torch.ones(1, 2), torch.ones(30, 2), 1)
