"""Figures of arrangements against plain loops."""

import numpy as np
import pytest
import torch
from helpers.upgrades import FAST, inputs

from clsim.auditing.lists import Served
from clsim.auditing.material import split_inputs
from clsim.auditing.measure import Measure
from clsim.auditing.search import search
from clsim.metrics.functional.arrangements import partial_index_curve
from clsim.metrics.functional.bootstrap import Resamples
from clsim.metrics.functional.neighbor_lists import Neighbors


@pytest.fixture(params=[False, True], ids=["neighbors", "labels"])
def measured(request):
    part = split_inputs(inputs(labeled=request.param), FAST).test
    count = len(part.old)
    old = search({"": part.query_old}, part.old, count)[""]
    new = search({"": part.query_new}, part.new, count)[""]
    return part, old, new, Measure(part, new, old, FAST)


def test_full_re_indexing_keeps_everything(measured):
    part, old, new, measure = measured
    figures, kept, gain = measure(Served("full_reindex", None, new))
    assert kept == (1.0, 1.0, 1.0)
    if part.truth is None:
        assert figures["recall@10"] == (1.0, 1.0, 1.0) and set(figures) == {"recall@10", "ndcg@10"}
    else:
        assert figures["overlap@10"] == (1.0, 1.0, 1.0) and "cmc@1" in figures
    _, _, nothing = measure(Served("do_nothing", None, old))
    assert nothing == (0.0, 0.0, 0.0) and gain.value > 0


def test_kept_and_gain_are_those_of_a_loop(measured):
    part, old, new, measure = measured
    k = 10

    def recall(items):
        if part.truth is None:
            right = [set(row) for row in new.items[:, :k].tolist()]
            return np.array([len(right[q] & set(row[:k])) / k for q, row in enumerate(items.tolist())])
        labels = part.truth.gallery.numpy()
        return np.array(
            [
                (labels[row[:k]] == part.truth.query[q].item()).sum()
                / min(k, (labels == part.truth.query[q].item()).sum())
                for q, row in enumerate(items.numpy())
            ]
        )

    figures, kept, gain = measure(Served("do_nothing", None, Neighbors(old.scores, old.items)))
    stored, fresh = recall(old.items), recall(new.items)
    drawn = Resamples(part.clusters, resamples=200)
    assert figures["recall@10"] == pytest.approx(drawn.mean(stored))
    assert kept == pytest.approx(drawn.ratio(stored, fresh))
    swapped = Neighbors(old.scores, old.items.flip(1))
    _, _, gain = measure(Served("naive_swap", None, swapped))
    assert gain == pytest.approx(drawn.mean(recall(swapped.items) - stored))


def test_a_sample_is_compared_with_the_same_queries(measured):
    _part, _old, new, measure = measured
    few = Neighbors(new.scores[:20], new.items[:20])
    figures, kept, _ = measure(Served("bridge_query", None, few))
    assert kept == (1.0, 1.0, 1.0)
    assert figures["recall@10"].value == pytest.approx(
        float(np.nanmean(measure.of_queries(new.items)["recall@10"][:20]))
    )


def test_the_curve_is_that_of_the_library(measured):
    part, old, new, measure = measured
    if part.truth is not None:
        pytest.skip("the library's curve is of lists")
    order = torch.randperm(len(part.old), generator=torch.Generator().manual_seed(0))
    curve = measure.curve(old, new, order)
    expected = partial_index_curve(old, new, order, new.items[:, :10], k=10)
    assert curve.values == pytest.approx(expected.accuracy) and curve.fractions == expected.fractions
    assert curve.area == pytest.approx(expected.area)
    assert curve.values[-1] == 1.0
