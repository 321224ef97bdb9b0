from functools import partial

import pytest
import torch
from helpers.errors import refused

from clsim.metrics.functional.criteria import Criterion, fraction_true
from clsim.metrics.functional.nearest_mean import nearest_class_mean_correct
from clsim.metrics.functional.precision import mean_average_precision, ndcg_at_k, r_precision
from clsim.metrics.functional.retrieval import cmc, nearest_correct


def features(rows, width=6, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (rows,), generator=generator)
    centres = torch.randn(classes, width, generator=generator)
    return (centres[labels] + 1.5 * torch.randn(rows, width, generator=generator)).half(), labels


QUERY, LABELS = features(60)
GALLERIES = [features(40, seed=seed) for seed in (1, 2, 3)]


def row(text, galleries=GALLERIES, exclude_self=False, query=QUERY, labels=LABELS):
    rule = Criterion.parse(text, exclude_self=exclude_self)
    return rule.row(query, labels, [rule.store(*gallery) for gallery in galleries])


def test_means_of_all_galleries_at_once_equal_the_function_on_each():
    scores, right = row("nearest_class_mean")
    expected = [nearest_class_mean_correct(QUERY, LABELS, *gallery) for gallery in GALLERIES]
    assert scores == [fraction_true(one) for one in expected]
    assert len({*scores}) > 1
    assert torch.stack(right).equal(torch.stack(expected[-2:]))


def test_a_query_of_a_class_the_gallery_lacks_is_wrong():
    gallery, labels = GALLERIES[0]
    there = labels != 2
    _, (right,) = row("nearest_class_mean", [(gallery[there], labels[there])])
    assert not right[LABELS == 2].any()
    assert right[LABELS != 2].any()


def test_a_tie_with_another_class_is_wrong():
    gallery, labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1, 2])
    query, wanted = torch.tensor([[2.0, 1.0], [2.0, 1.0], [1.0, 2.0]]), torch.tensor([0, 1, 2])
    for text in ("nearest_class_mean", "cmc@1"):
        assert row(text, [(gallery, labels)], query=query, labels=wanted)[1][0].tolist() == [False, False, True]


def test_one_class_alone_is_always_nearest():
    gallery, labels = GALLERIES[0]
    only = labels == 1
    assert row("nearest_class_mean", [(gallery[only], labels[only])])[0] == [fraction_true(LABELS == 1)]


@pytest.mark.parametrize("k", [1, 3])
def test_cmc_equals_the_function_on_each(k):
    scores, right = row(f"cmc@{k}")
    assert scores == [cmc(QUERY, LABELS, *gallery, k=(k,))[k] for gallery in GALLERIES]
    assert torch.stack(right).equal(torch.stack([nearest_correct(QUERY, LABELS, *g) for g in GALLERIES[-2:]]))


@pytest.mark.parametrize(("text", "function"), [("ndcg@3", partial(ndcg_at_k, k=3)), ("r_precision", r_precision)])
def test_metrics_of_the_whole_list_equal_their_functions(text, function):
    scores, right = row(text)
    assert scores == [function(QUERY, LABELS, *gallery) for gallery in GALLERIES]
    assert torch.stack(right).equal(torch.stack([nearest_correct(QUERY, LABELS, *g) for g in GALLERIES[-2:]]))


def test_map_equals_the_function_on_each():
    scores, right = row("map")
    assert scores == pytest.approx([mean_average_precision(QUERY, LABELS, *gallery) for gallery in GALLERIES])
    assert len(right) == 2


@pytest.mark.parametrize("text", ["cmc@1", "cmc@3", "map", "ndcg@3", "r_precision"])
def test_self_matches_are_excluded(text):
    itself = [(QUERY, LABELS)]
    (with_self,), (found,) = row(text, itself)
    (without,), (right,) = row(text, itself, exclude_self=True)
    assert found.all()
    assert not right.all()
    assert without < with_self


@pytest.mark.parametrize("text", ["nearest_class_mean", "cmc@1", "cmc@3", "map", "ndcg@3", "r_precision"])
def test_other_widths_cannot_be_compared(text):
    wider = features(40, width=9, seed=4)
    scores, right = row(text, [GALLERIES[0], wider, GALLERIES[1]])
    assert scores[1] == 0.0
    assert scores[0] > 0
    assert scores[2] > 0
    assert not right[0].any()
    assert right[1].any()
    assert row(text, [wider])[0] == [0.0]


@pytest.mark.parametrize("text", ["nearest_class_mean", "cmc@1", "cmc@3", "map", "ndcg@3", "r_precision"])
def test_truncated_widths_are_compared_by_their_first_numbers(text):
    rule = Criterion.parse(text, truncate=True)
    wide_query, wide = torch.cat([QUERY, torch.ones(60, 3).half()], 1), features(40, width=9, seed=4)
    galleries = [rule.store(*gallery) for gallery in (GALLERIES[0], wide)]
    cut = Criterion.parse(text)
    plain = [cut.store(*gallery) for gallery in (GALLERIES[0], (wide[0][:, :6], wide[1]))]
    # A longer query on an older, shorter gallery; and a shorter query on a longer one.
    longer, shorter = rule.row(wide_query, LABELS, galleries), rule.row(QUERY, LABELS, galleries)
    assert longer[0][0] == pytest.approx(cut.row(QUERY, LABELS, plain[:1])[0][0])
    assert shorter[0] == pytest.approx(cut.row(QUERY, LABELS, plain)[0])
    # All numbers count where both have them.
    full = Criterion.parse(text)
    assert longer[0][1] == pytest.approx(full.row(wide_query, LABELS, [full.store(*wide)])[0][0])
    assert longer[0][1] != pytest.approx(shorter[0][1])


def test_class_means_are_all_that_is_kept_where_they_do():
    means, classes = Criterion.parse("nearest_class_mean").store(*GALLERIES[0])
    assert means.shape == (4, 6)
    assert classes.tolist() == [0, 1, 2, 3]
    assert Criterion.parse("map").store(*GALLERIES[0])[0].equal(GALLERIES[0][0])


@pytest.mark.parametrize(
    "text", ["cmc", "cmc@x", "recall@1", "cmc@-1", "", "ndcg", "map@3", "r_precision@5", "cmc@3@4", "cmc@ 3"]
)
def test_unknown_criteria_are_refused(text):
    with refused(ValueError, names=("criterion",)):
        Criterion.parse(text)


def test_criteria_that_make_no_sense_are_refused():
    with refused(ValueError, names=("cmc@K", "0")):
        Criterion.parse("cmc@0")
    with refused(ValueError, names=("ndcg@K", "0")):
        Criterion.parse("ndcg@0")
    with refused(ValueError, names=("nearest_class_mean", "cmc@1")):
        Criterion.parse("nearest_class_mean", exclude_self=True)
