import math

import pytest
import torch
from helpers.errors import refused

from clsim.metrics import mean_average_precision, ndcg_at_k, r_precision

METRICS = (ndcg_at_k, r_precision, mean_average_precision)


def draw(queries=30, items=40, width=4, classes=5, seed=0):
    random = torch.Generator().manual_seed(seed)
    features = [torch.randn(n, width, generator=random) for n in (queries, items)]
    labels = [torch.randint(classes, (n,), generator=random) for n in (queries, items)]
    return features[0], labels[0], features[1], labels[1]


def one_hot(features):
    """Features whose similarities are exactly 0, 1 or -1, so that many are equal."""
    return torch.eye(4)[features.argmax(dim=1)] * features.sum(dim=1, keepdim=True).sign()


def plain(sets, k, own=None):
    """nDCG@k and R-precision by loops over sorted lists, other classes first among equals."""
    query, labels, gallery, gallery_labels = sets
    cosines = torch.nn.functional.normalize(query) @ torch.nn.functional.normalize(gallery).T
    gains, shares = [], []
    for i, row in enumerate(cosines.tolist()):
        items = [
            (-s, bool(y == labels[i]))
            for j, (s, y) in enumerate(zip(row, gallery_labels, strict=True))
            if own is None or own[i] != j
        ]
        ranked, matches = [same for _, same in sorted(items)], sum(same for _, same in items)
        gain = sum(1 / math.log2(place + 2) for place, same in enumerate(ranked[:k]) if same)
        best = sum(1 / math.log2(place + 2) for place in range(min(k, matches)))
        gains.append(gain / best if matches else 0.0)
        shares.append(sum(ranked[:matches]) / matches if matches else 0.0)
    return sum(gains) / len(gains), sum(shares) / len(shares)


@pytest.mark.parametrize("chunk", [None, 7])
@pytest.mark.parametrize("k", [1, 3, 10, 100])
def test_they_equal_plain_loops(k, chunk):
    drawn = draw()
    for sets in (drawn, (one_hot(drawn[0]), drawn[1], one_hot(drawn[2]), drawn[3])):
        gain, share = plain(sets, k)
        assert ndcg_at_k(*sets, k, chunk=chunk) == pytest.approx(gain, abs=1e-9)
        assert r_precision(*sets, chunk=chunk) == pytest.approx(share, abs=1e-12)
        assert 0 < share < 1


def test_a_set_that_searches_itself():
    query, labels, _, _ = draw()
    sets = query, labels, query, labels
    gain, share = plain(sets, 5, own=range(30))
    assert ndcg_at_k(*sets, 5, exclude_self=True) == pytest.approx(gain, abs=1e-9)
    assert r_precision(*sets, exclude_self=True) == pytest.approx(share)
    assert ndcg_at_k(*sets, 1) == 1.0 > gain


@pytest.mark.parametrize("k", [1, 5, 40])
def test_ndcg_is_that_of_scikit_learn(k):
    reference = pytest.importorskip("sklearn.metrics").ndcg_score
    query, labels, gallery, gallery_labels = draw()
    similarity = torch.nn.functional.normalize(query) @ torch.nn.functional.normalize(gallery).T
    relevant = (labels[:, None] == gallery_labels).long()
    expected = reference(relevant.numpy(), similarity.numpy(), k=k)
    assert ndcg_at_k(query, labels, gallery, gallery_labels, k) == pytest.approx(expected, abs=1e-6)


def test_perfect_lists_score_exactly_1_and_worst_ones_0():
    gallery, labels = torch.eye(3).repeat(50, 1), torch.arange(3).repeat(50)
    for metric in METRICS:
        assert metric(torch.eye(3), [0, 1, 2], gallery, labels) == 1.0
    assert ndcg_at_k(torch.eye(3), [1, 2, 0], gallery, labels, 50) == 0.0
    assert r_precision(torch.eye(3), [1, 2, 0], gallery, labels) == 0.0


def test_items_of_other_classes_that_tie_rank_ahead():
    same = torch.ones(4, 2)
    assert r_precision(same[:1], [0], same, [0, 0, 1, 1]) == 0.0
    expected = (1 / math.log2(4) + 1 / math.log2(5)) / (1 + 1 / math.log2(3))
    assert ndcg_at_k(same[:1], [0], same, [0, 0, 1, 1], 4) == pytest.approx(expected)


def test_order_and_chunks_change_no_digit():
    query, labels, gallery, gallery_labels = draw(items=300, width=32)
    found = set()
    for chunk in (None, 1, 7):
        order = torch.randperm(300, generator=torch.Generator().manual_seed(chunk or 0))
        sets = query, labels, gallery[order], gallery_labels[order]
        found.add(tuple(metric(*sets, chunk=chunk) for metric in METRICS))
    assert len(found) == 1


@pytest.mark.parametrize("metric", METRICS)
def test_queries_without_a_match_are_wrong_or_left_out(metric):
    query, gallery = torch.eye(2), torch.eye(2)
    assert metric(query, [0, 7], gallery, [0, 1]) == 0.5
    assert metric(query, [0, 7], gallery, [0, 1], unmatched="skip") == 1.0
    assert metric(query, [7, 7], gallery, [0, 1]) == 0.0
    with refused(ValueError, names=("unmatched", "drop")):
        metric(query, [0, 7], gallery, [0, 1], unmatched="drop")


def test_a_cut_off_rank_is_at_least_1():
    with refused(ValueError, names=("k", 0)):
        ndcg_at_k(torch.eye(2), [0, 1], torch.eye(2), [0, 1], 0)
