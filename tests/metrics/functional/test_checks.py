"""Inputs of every kind to the public metrics: taken for what they are, or refused with a word."""

import numpy as np
import pytest
import torch
from helpers.errors import refused

from clsim.metrics import (
    BackfillCurve,
    average_accuracy,
    average_accuracy_weighted,
    average_compatibility,
    average_forgetting,
    backfill_curve,
    cmc,
    flip_rates,
    forgetting,
    mean_average_precision,
    random_order,
)
from clsim.metrics.functional.statistics import paired, spread

RANDOM = torch.Generator().manual_seed(0)
QUERY, GALLERY = torch.randn(6, 4, generator=RANDOM), torch.randn(8, 4, generator=RANDOM)
LABELS, ITEMS = torch.arange(6) % 3, torch.arange(8) % 3
USUAL = cmc(QUERY, LABELS, GALLERY, ITEMS), mean_average_precision(QUERY, LABELS, GALLERY, ITEMS)


def figures(query=QUERY, labels=LABELS, gallery=GALLERY, items=ITEMS):
    return cmc(query, labels, gallery, items), mean_average_precision(query, labels, gallery, items)


@pytest.mark.parametrize(
    "query",
    [
        QUERY.numpy(),
        QUERY.tolist(),
        list(QUERY),
        np.asfortranarray(QUERY.numpy()),
        QUERY.numpy()[::-1].copy()[::-1],  # strides below 0
        QUERY.numpy().astype(">f4"),
        QUERY.numpy().astype(np.longdouble),
        np.broadcast_to(QUERY.numpy(), (6, 4)),  # read-only
        QUERY.double() * 1e300,
        QUERY.clone().requires_grad_(),
    ],
)
def test_features_of_every_kind_are_taken(query):
    assert figures(query) == USUAL


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.int32, torch.uint8])
def test_features_of_few_digits_are_what_they_say(kind):
    query, gallery = (QUERY.abs() * 50).to(kind), (GALLERY.abs() * 50).to(kind)
    assert figures(query, gallery=gallery) == figures(query.double(), gallery=gallery.double())


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.tolist(),
        tuple(LABELS.numpy()),
        LABELS.numpy().astype(">i2"),
        LABELS.flip(0).numpy()[::-1],
        LABELS.numpy().astype(np.uint64),
        LABELS.byte(),
    ],
)
def test_labels_of_every_kind_are_taken(labels):
    assert figures(labels=labels) == USUAL
    assert figures(labels=LABELS - 1, items=ITEMS - 1) == figures(labels=LABELS + 2**62, items=ITEMS + 2**62) == USUAL


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"query": QUERY[0]}, ("query", "(N, D)", "(4,)")),
        ({"query": QUERY[:, :0]}, ("query", "(6, 0)")),
        ({"query": [[1.0, 2.0], [3.0]]}, ("query", "list")),
        ({"query": None}, ("query", "NoneType")),
        ({"query": QUERY > 0}, ("query", "torch.bool")),
        ({"query": QUERY + 0j}, ("query", "torch.complex64")),
        ({"query": QUERY.to_sparse()}, ("query", "torch.sparse_coo")),
        ({"query": QUERY.to("meta")}, ("query", "meta")),
        ({"gallery": [], "items": []}, ("gallery", "(0,)")),
        ({"gallery": GALLERY[:0], "items": ITEMS[:0]}, ("gallery", "none")),
        ({"labels": LABELS[:3]}, ("query", "labels", "(6,)", "(3,)")),
        ({"labels": LABELS[:, None]}, ("query", "labels", "(6,)", "(6, 1)")),
        ({"labels": LABELS.double()}, ("labels", "torch.float64")),
        ({"labels": LABELS > 0}, ("labels", "torch.bool")),
        ({"labels": ["a"] * 6}, ("query", "list")),
        ({"labels": np.array(LABELS.tolist(), dtype=object)}, ("(6,)", "object")),
        ({"labels": np.full(6, 2**63, dtype=np.uint64)}, ("labels", "2**63")),
    ],
)
def test_what_is_neither_features_nor_labels_is_refused(given, names):
    with refused(ValueError, names=names):
        figures(**given)


@pytest.mark.parametrize("k", [None, "5", (0,), (1.0,), (True,), (), (-1, 5)])
def test_numbers_of_items_are_integers_from_1(k):
    with refused(ValueError, names=("k: expected",)):
        cmc(QUERY, LABELS, GALLERY, ITEMS, k=k)


def test_numbers_of_items_of_every_kind():
    assert cmc(QUERY, LABELS, GALLERY, ITEMS, k=np.array([1, 5])) == USUAL[0]
    assert cmc(QUERY, LABELS, GALLERY, ITEMS, k=100) == {100: 1.0}


def test_one_word_keeps_queries_from_themselves():
    own = cmc(QUERY, LABELS, QUERY, LABELS, exclude_self=True)
    for exclude in (np.True_, list(range(6)), np.arange(6), torch.arange(6)[:, None]):
        assert cmc(QUERY, LABELS, QUERY, LABELS, exclude_self=exclude) == own
    for exclude in (None, 1, "yes", [0.0] * 6):
        with refused(ValueError, names=("exclude_self",)):
            cmc(QUERY, LABELS, QUERY, LABELS, exclude_self=exclude)


def test_queries_twice_change_no_share():
    assert figures(torch.cat([QUERY, QUERY]), torch.cat([LABELS, LABELS])) == USUAL


def test_plain_figures_take_arrays_and_tensors():
    assert average_accuracy(np.array([0.5, np.nan, 0.75])) == average_accuracy(torch.tensor([0.5, 0.75])) == 0.625
    assert type(average_accuracy(torch.tensor([0.5, 0.75]))) is float
    assert forgetting(np.array([[0.5, np.nan], [0.25, 0.5]])) == 0.25
    assert forgetting(torch.tensor([[0.5, 0.0], [0.25, 0.5]])) == 0.25
    assert average_compatibility(np.array([[0.5, np.nan], [0.6, 0.7]])) == 1.0
    assert flip_rates([True, False], np.array([True, True])) == (0.0, 0.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: average_accuracy(["0.5"]),
        lambda: average_accuracy_weighted([0.5], [float("nan")]),
        lambda: average_forgetting([]),
        lambda: average_compatibility([0.5, 0.6]),
        lambda: random_order(0, RANDOM),
        lambda: random_order(2.5, RANDOM),
        lambda: BackfillCurve((0.0,), (1.0,)).area,
        lambda: backfill_curve(QUERY, LABELS, GALLERY, GALLERY, ITEMS, torch.arange(8), steps=2.5),
        lambda: backfill_curve(QUERY, LABELS, GALLERY, GALLERY, ITEMS, torch.ones(8, dtype=torch.bool)),
        lambda: spread([0.5, float("nan")]),
        lambda: spread([float("inf")]),
        lambda: paired([0.5, float("nan")], [0.4, 0.3]),
        lambda: flip_rates([], []),
        lambda: flip_rates([1, 0], [1, 1]),
    ],
)
def test_what_gives_no_figure_is_refused(call):
    with refused(ValueError):
        call()
