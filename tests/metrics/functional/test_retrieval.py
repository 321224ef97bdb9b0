import math

import pytest
import torch
from helpers.errors import refused

from clsim.metrics import (
    class_means,
    cmc,
    match_ranks,
    mean_average_precision,
    nearest_class_mean_accuracy,
    nearest_class_mean_correct,
    nearest_correct,
)
from clsim.metrics.functional import retrieval
from clsim.metrics.functional import search as search_module
from clsim.metrics.functional.precision import _sums
from clsim.metrics.functional.retrieval import NO_MATCH

LIMITS = (1, 2, 5, 60)


def cosine(a, b):
    a, b = a.tolist(), b.tolist()
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def plain_search(query, query_labels, gallery, gallery_labels, own=None):
    """CMC and mAP by a double loop: for each query, whether each item is of its class, most similar item first.

    Among equally similar items those of other classes come first; for the average precision they share a place.
    """
    hits, precisions = dict.fromkeys(LIMITS, 0), []
    for i in range(len(query)):
        ranked = sorted(
            (-cosine(query[i], gallery[j]), bool(query_labels[i] == gallery_labels[j]))
            for j in range(len(gallery))
            if own is None or own[i] != j
        )
        for limit in LIMITS:
            hits[limit] += any(same for _, same in ranked[:limit])
        places = [
            sum(same for distance, same in ranked if distance <= here)
            / sum(1 for distance, _ in ranked if distance <= here)
            for here, relevant in ranked
            if relevant
        ]
        precisions.append(sum(places) / len(places) if places else 0.0)
    return {limit: count / len(query) for limit, count in hits.items()}, sum(precisions) / len(precisions)


def draw(queries, items, width=4, classes=4, seed=0):
    """Features all around the origin: about half of the similarities are negative."""
    random = torch.Generator().manual_seed(seed)
    features = [torch.randn(n, width, generator=random) * torch.rand(n, 1, generator=random) for n in (queries, items)]
    labels = [torch.randint(classes, (n,), generator=random) for n in (queries, items)]
    return features[0], labels[0], features[1], labels[1]


@pytest.mark.parametrize("chunk", [1, 7, None])
@pytest.mark.parametrize("seed", [0, 1])
def test_search_equals_a_plain_double_loop(seed, chunk):
    sets = draw(20, 31, seed=seed)
    expected, precision = plain_search(*sets)
    assert cmc(*sets, k=LIMITS, chunk=chunk) == expected
    assert 0.1 < expected[1] < expected[2] < expected[5]
    assert mean_average_precision(*sets, chunk=chunk) == pytest.approx(precision, abs=1e-12)
    assert float(nearest_correct(*sets, chunk=chunk).double().mean()) == pytest.approx(expected[1])


@pytest.mark.parametrize("chunk", [1, 7, None])
def test_search_of_a_set_in_itself(chunk):
    features, labels, _, _ = draw(24, 1, classes=5)
    sets = features, labels, features, labels
    for exclude, own in ((True, range(24)), (False, None)):
        expected, precision = plain_search(*sets, own=own)
        assert cmc(*sets, k=LIMITS, exclude_self=exclude, chunk=chunk) == expected
        assert mean_average_precision(*sets, exclude_self=exclude, chunk=chunk) == pytest.approx(precision, abs=1e-12)
    assert cmc(*sets) == {1: 1.0, 5: 1.0}  # each finds itself
    assert expected[1] == 1.0
    assert cmc(*sets, exclude_self=True)[1] < 0.7


def test_some_queries_are_gallery_items_and_others_are_not():
    query, labels, gallery, gallery_labels = draw(9, 15)
    own = torch.tensor([4, -1, 0, -1, 14, 3, -1, 7, 7])
    known = own >= 0
    labels[known] = gallery_labels[own[known]]
    query[known] = gallery[own[known]]
    sets = query, labels, gallery, gallery_labels
    expected, precision = plain_search(*sets, own=own.tolist())
    assert cmc(*sets, k=LIMITS, exclude_self=own, chunk=4) == expected
    assert mean_average_precision(*sets, exclude_self=own, chunk=4) == pytest.approx(precision, abs=1e-12)
    assert expected != plain_search(*sets)[0]


def test_nothing_but_negative_similarities():
    query, labels, gallery, gallery_labels = draw(20, 31)
    sets = query.abs(), labels, -gallery.abs(), gallery_labels
    expected, precision = plain_search(*sets)
    assert cmc(*sets, k=LIMITS) == expected
    assert mean_average_precision(*sets) == pytest.approx(precision, abs=1e-12)


def one_hot(features):
    """Features whose similarities are exactly 0, 1 or -1, so that many are equal."""
    return torch.eye(4)[features.argmax(dim=1)] * features.sum(dim=1, keepdim=True).sign()


def test_equally_similar_items_of_another_class_come_first():
    query, labels, gallery, gallery_labels = draw(30, 40)
    sets = one_hot(query), labels, one_hot(gallery), gallery_labels
    expected, precision = plain_search(*sets)
    assert expected[1] < expected[5] < expected[60] == 1.0
    assert cmc(*sets, k=LIMITS) == expected
    assert mean_average_precision(*sets) == pytest.approx(precision, abs=1e-12)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    turned = (*sets[:2], sets[2][order], sets[3][order])
    assert match_ranks(*turned).equal(match_ranks(*sets))
    assert mean_average_precision(*turned) == pytest.approx(precision, abs=1e-12)


def test_a_model_that_makes_everything_the_same_finds_nothing():
    same, labels = torch.ones(12, 3), torch.arange(12) % 3
    assert cmc(same, labels, same, labels, k=(1, 8, 9)) == {1: 0.0, 8: 0.0, 9: 1.0}
    assert mean_average_precision(same, labels, same, labels) == pytest.approx(1 / 3)
    assert nearest_class_mean_accuracy(same, labels, same, labels) == 0.0


def test_average_precision_is_that_of_scikit_learn():
    reference = pytest.importorskip("sklearn.metrics").average_precision_score
    query, labels, gallery, gallery_labels = draw(30, 40)
    for sets in ((query, labels, gallery, gallery_labels), (one_hot(query), labels, one_hot(gallery), gallery_labels)):
        similarity = torch.nn.functional.normalize(sets[0]) @ torch.nn.functional.normalize(sets[2]).T
        each = [reference(gallery_labels == label, row) for label, row in zip(labels, similarity, strict=True)]
        assert mean_average_precision(*sets) == pytest.approx(sum(each) / len(each))


def test_search_by_hand():
    query, gallery = [[3.0, 0.3], [0.1, 5.0]], [[1.0, 0.0], [0.8, 0.6], [0.0, 2.0], [-1.0, 0.0]]
    sets = tuple(map(torch.tensor, (query, [1, 0], gallery, [0, 1, 0, 1])))
    # the first query, of class 1, finds items 0 1 2 3; the second, of class 0, items 2 1 0 3; both classes 0 1 0 1
    assert match_ranks(*sets).tolist() == [2, 1]
    assert cmc(*sets) == {1: 0.5, 5: 1.0}
    assert mean_average_precision(*sets) == pytest.approx(((1 / 2 + 2 / 4) / 2 + (1 + 2 / 3) / 2) / 2)


def test_a_query_without_an_item_of_its_class_is_answered_wrongly():
    query, labels, gallery, gallery_labels = draw(6, 8)
    labels[2:4] = 9
    sets = query, labels, gallery, gallery_labels
    assert match_ranks(*sets)[2:4].tolist() == [NO_MATCH] * 2
    assert cmc(*sets, k=LIMITS) == plain_search(*sets)[0]
    assert cmc(*sets, k=(NO_MATCH,))[NO_MATCH] == pytest.approx(4 / 6)
    assert mean_average_precision(*sets) == pytest.approx(plain_search(*sets)[1])
    assert not nearest_class_mean_correct(*sets)[2:4].any()
    alone = torch.arange(6)  # each the only one of its class, and not to find itself
    assert cmc(query, alone, query, alone, exclude_self=True) == {1: 0.0, 5: 0.0}
    assert mean_average_precision(query, alone, query, alone, exclude_self=True) == 0.0


def test_a_gallery_of_one_class_answers_every_query_of_it():
    query, _, gallery, _ = draw(6, 8)
    sets = query, torch.ones(6).long(), gallery, torch.ones(8).long()
    assert cmc(*sets) == {1: 1.0, 5: 1.0}
    assert mean_average_precision(*sets) == 1.0
    assert nearest_class_mean_accuracy(*sets) == 1.0


METRICS = (cmc, mean_average_precision, nearest_class_mean_accuracy, match_ranks, nearest_correct)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_features_that_are_no_numbers_are_refused(metric, number):
    query, labels, gallery, gallery_labels = draw(20, 31)
    for side, name in ((query, "query"), (gallery, "gallery")):
        side[3, 1], kept = number, float(side[3, 1])
        with refused(ValueError, names=(name, f"1 of {len(side)}", "row 3")):
            metric(query, labels, gallery, gallery_labels)
        side[3, 1] = kept
    metric(query, labels, gallery, gallery_labels)


@pytest.mark.parametrize("metric", METRICS)
def test_labels_are_integers_of_any_kind(metric):
    query, labels, gallery, gallery_labels = draw(12, 20)
    expected = metric(query, labels, gallery, gallery_labels)
    for kind in (torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.int, lambda ids: ids.numpy().astype("uint16")):
        found = metric(query, kind(labels), gallery, kind(gallery_labels))
        assert found.equal(expected) if isinstance(found, torch.Tensor) else found == expected
    features = metric(query.numpy(), labels, gallery.tolist(), gallery_labels)
    assert features.equal(expected) if isinstance(features, torch.Tensor) else features == expected
    for kind in (torch.Tensor.float, torch.Tensor.bool, lambda ids: [str(label) for label in ids], lambda ids: None):
        with refused(ValueError, names=("query: expected",)):
            metric(query, kind(labels), gallery, gallery_labels)


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e19, 1e38])
def test_no_scale_of_features_is_lost(scale):
    query, labels, gallery, gallery_labels = draw(20, 31)
    for metric in (cmc, mean_average_precision, nearest_class_mean_accuracy):
        # In float64 the scaled numbers are the same but for the last digits.
        scaled = metric(query.double() * scale, labels, gallery.double() * scale, gallery_labels)
        assert scaled == metric(query, labels, gallery, gallery_labels)
        if scale > 1e-40:
            scaled = metric(query * scale, labels, gallery * scale, gallery_labels)
            assert scaled == pytest.approx(metric(query, labels, gallery, gallery_labels))


def twins(rows, width, seed):
    """A gallery that holds every item under two classes, and queries near one of each."""
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(rows, width, generator=random)
    query = base + 0.01 * torch.randn(rows, width, generator=random)
    ids = torch.arange(rows)
    return query, ids, torch.cat([base, base]), torch.cat([ids, ids + rows])


@pytest.mark.parametrize(("rows", "width"), [(7, 64), (7, 128), (7, 8), (203, 64), (30, 513)])
def test_exact_ties_hold_the_rule_whatever_the_order_and_the_chunk(rows, width):
    query, labels, gallery, gallery_labels = twins(rows, width, seed=rows)
    random, found = torch.Generator().manual_seed(0), set()
    for chunk in (None, 1, 3):
        for _ in range(3):
            order = torch.randperm(2 * rows, generator=random)
            sets = query, labels, gallery[order], gallery_labels[order]
            ranks = match_ranks(*sets, chunk=chunk)
            assert (ranks == 2).all()  # the twin is ahead, and nothing else
            found.add((mean_average_precision(*sets, chunk=chunk), nearest_class_mean_accuracy(*sets, chunk=chunk)))
    # Two items share the first place, of which one is of the class.
    assert found == {(0.5, 0.0)}


@pytest.mark.parametrize("copies", [1, 3])
def test_every_figure_is_the_same_to_the_last_bit(copies):
    query, labels, gallery, gallery_labels = draw(40, 60, width=32, classes=7)
    gallery, gallery_labels = gallery.half().repeat(copies, 1), gallery_labels.repeat(copies)
    random, found = torch.Generator().manual_seed(0), set()
    for chunk in (None, 1, 7):
        for _ in range(4):
            order = torch.randperm(len(gallery), generator=random)
            sets = query, labels, gallery[order], gallery_labels[order]
            figures = [metric(*sets, chunk=chunk) for metric in METRICS[:3]]
            found.add(str([*figures, match_ranks(*sets, chunk=chunk).tolist()]))
    assert len(found) == 1


def test_average_precision_is_rounded_once_however_it_is_padded():
    random = torch.Generator().manual_seed(2)
    fractions = torch.rand(5, 300, generator=random, dtype=torch.float64)
    expected = [math.fsum(row) for row in fractions.tolist()]
    for zeros in (0, 1, 17):
        order = torch.randperm(300 + zeros, generator=random)
        padded = torch.cat([fractions, torch.zeros(5, zeros, dtype=torch.float64)], dim=1)[:, order]
        assert _sums(padded).tolist() == pytest.approx(expected, abs=1e-12)
        assert _sums(padded).equal(_sums(fractions))


@pytest.mark.parametrize("large", [False, True])
def test_queries_without_a_match_are_wrong_or_left_out(monkeypatch, large):
    if large:
        monkeypatch.setattr(retrieval, "LARGE", 3)
    query, labels, gallery, gallery_labels = draw(10, 12, classes=3)
    labels[[2, 7, 8]] = 9
    there = labels != 9
    sets, matched = (query, labels, gallery, gallery_labels), (query[there], labels[there], gallery, gallery_labels)
    for metric in (cmc, mean_average_precision, nearest_class_mean_accuracy):
        skipped = metric(*sets, unmatched="skip")
        assert skipped == metric(*matched)
        wrong = metric(*sets)
        for key in skipped if isinstance(skipped, dict) else (None,):
            one, other = (skipped, wrong) if key is None else (skipped[key], wrong[key])
            assert other == pytest.approx(one * 7 / 10) and one > other
        with refused(ValueError, names=("match", "skip")):
            metric(query, labels + 20, gallery, gallery_labels, unmatched="skip")
        with refused(ValueError, names=("unmatched", "'wrong'", "'skip'")):
            metric(*sets, unmatched="ignore")
    # Who is alone in its class has no match but itself.
    alone = torch.tensor([0, 0, 1, 2, 2])
    sets = query[:5], alone, query[:5], alone
    expected, _ = plain_search(*sets, own=range(5))
    found = cmc(*sets, k=LIMITS, exclude_self=True, unmatched="skip")
    assert found == pytest.approx({limit: share * 5 / 4 for limit, share in expected.items()})


@pytest.mark.parametrize("large", [False, True])
def test_a_query_that_is_several_items_finds_none_of_them(monkeypatch, large):
    if large:
        monkeypatch.setattr(retrieval, "LARGE", 3)
    query, labels, gallery, gallery_labels = draw(9, 15)
    own = torch.tensor([[4, 5], [-1, -1], [0, -1], [-1, 3], [14, 1], [3, 3], [-1, -1], [7, 8], [7, -1]])
    gallery[own.clamp_min(0)] = query[:, None].where((own >= 0)[..., None], gallery[own.clamp_min(0)])
    found = cmc(query, labels, gallery, gallery_labels, k=LIMITS, exclude_self=own)
    hits = dict.fromkeys(LIMITS, 0)
    for i in range(9):
        others = [j for j in range(15) if j not in own[i].tolist()]
        one = query[i : i + 1], labels[i : i + 1], gallery[others], gallery_labels[others]
        for limit, share in plain_search(*one)[0].items():
            hits[limit] += share
    assert found == pytest.approx({limit: count / 9 for limit, count in hits.items()})
    assert found != cmc(query, labels, gallery, gallery_labels, k=LIMITS)


@pytest.mark.parametrize("seed", range(3))
def test_a_large_gallery_gives_the_same_figures(monkeypatch, seed):
    query, labels, gallery, gallery_labels = draw(30, 40, width=8, classes=5, seed=seed)
    # Many ties: every item three times, and some queries in the gallery.
    gallery, gallery_labels = gallery.repeat(3, 1), torch.cat([gallery_labels, gallery_labels, gallery_labels.flip(0)])
    own = torch.arange(30).where(torch.arange(30) % 3 == 0, -1)
    labels[own >= 0] = gallery_labels[own[own >= 0]]
    sets = query, labels, gallery, gallery_labels
    expected = [cmc(*sets, k=(1, 2, 5), exclude_self=which) for which in (False, own)]
    monkeypatch.setattr(retrieval, "LARGE", 100)
    monkeypatch.setattr(search_module, "ITEMS", 50)
    assert [cmc(*sets, k=(1, 2, 5), exclude_self=which) for which in (False, own)] == expected


def test_length_does_not_matter_nor_the_precision_of_what_is_stored():
    query, labels, gallery, gallery_labels = draw(20, 31)
    query, gallery = query.half(), gallery.half()
    as_stored, whole = (
        (query, labels, gallery, gallery_labels),
        (query.float(), labels, gallery.float(), gallery_labels),
    )
    scaled = query.float() * 8, labels, gallery.float() * torch.arange(1, 32)[:, None], gallery_labels
    for metric in (cmc, mean_average_precision, nearest_class_mean_accuracy):
        assert metric(*as_stored) == metric(*whole)
        assert metric(*scaled) == pytest.approx(metric(*whole))
        with torch.autocast("cpu", torch.bfloat16):
            assert metric(*whole) == metric(*as_stored)


def plain_class_means(query, query_labels, gallery, gallery_labels):
    right = []
    for feature, label in zip(query, query_labels, strict=True):
        scores = {}
        for known in sorted(set(gallery_labels.tolist())):
            members = [row / row.norm() for row in gallery[gallery_labels == known].double()]
            mean = sum(members) / len(members)
            scores[known] = float(feature.double() @ (mean / mean.norm()))
        right.append(max(scores, key=scores.get) == int(label))
    return right


@pytest.mark.parametrize("chunk", [1, 7, None])
def test_nearest_class_mean_equals_a_plain_loop(chunk):
    sets = draw(40, 31, classes=3)
    expected = plain_class_means(*sets)
    assert nearest_class_mean_correct(*sets, chunk=chunk).tolist() == expected
    assert nearest_class_mean_accuracy(*sets, chunk=chunk) == sum(expected) / 40
    assert 0.2 < sum(expected) / 40 < 0.8
    classes, means = class_means(*sets[2:])
    assert nearest_correct(*sets[:2], means, classes).tolist() == expected  # the means alone do as well


def test_class_means_weigh_every_item_alike_and_have_length_1():
    features = torch.tensor([[100.0, 0.0], [0.0, 0.01], [0.0, -5.0]])
    classes, means = class_means(features, torch.tensor([7, 7, 2]))
    assert classes.tolist() == [2, 7]
    assert means == pytest.approx(torch.tensor([[0.0, -1.0], [0.5**0.5, 0.5**0.5]]))


def test_wrong_input_is_refused():
    query, labels, gallery, gallery_labels = draw(6, 8)
    for metric in (cmc, mean_average_precision, nearest_class_mean_accuracy, match_ranks, nearest_correct):
        with refused(ValueError, names=("width", 4, 3)):
            metric(query, labels, gallery[:, :3], gallery_labels)
        with refused(ValueError, names=("query", "(6,)", "(5,)")):
            metric(query, labels[:5], gallery, gallery_labels)
        with refused(ValueError, names=("gallery", "none")):
            metric(query, labels, gallery[:0], gallery_labels[:0])
        with refused(ValueError, names=("query", "none")):
            metric(query[:0], labels[:0], gallery, gallery_labels)
        with refused(ValueError, names=("chunk",)):
            metric(query, labels, gallery, gallery_labels, chunk=0)
    with refused(ValueError, names=("k: expected",)):
        cmc(query, labels, gallery, gallery_labels, k=(0, 1))


def test_a_query_is_itself_only_where_that_can_be():
    query, labels, gallery, gallery_labels = draw(6, 8)
    with refused(ValueError, names=("exclude_self", 6, 8)):
        cmc(query, labels, gallery, gallery_labels, exclude_self=True)
    with refused(ValueError, names=("exclude_self", "label")):
        cmc(query, labels, query, 3 - labels, exclude_self=True)
    for own in (torch.tensor([0, 1]), torch.zeros(6), torch.ones(6, dtype=torch.bool), torch.zeros(6, 1, 1).long()):
        with refused(ValueError, names=("exclude_self", "integers")):
            cmc(query, labels, gallery, gallery_labels, exclude_self=own)
    with refused(ValueError, names=("exclude_self", "0 to 7", 8)):
        cmc(query, labels, gallery, gallery_labels, exclude_self=torch.full((6,), 8))
