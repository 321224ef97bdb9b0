"""Right answers and the figures of lists, against plain loops and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import ndcg_score

from clsim.auditing.truth import LabelTruth, ListTruth, query_figures, relevant_in
from clsim.data.vectors import Relevant


def test_figures_by_label_are_those_of_a_loop():
    random = np.random.default_rng(0)
    labels, asked = random.integers(0, 5, 30), random.integers(0, 6, 12)
    lists = np.stack([random.permutation(30)[:8] for _ in range(12)])
    found = query_figures(
        torch.from_numpy(lists), LabelTruth(torch.from_numpy(asked), torch.from_numpy(labels)), k=4, first=True
    )
    for row, label in enumerate(asked):
        right = [int(labels[item] == label) for item in lists[row]]
        count = int((labels == label).sum())
        if not count:
            assert all(math.isnan(values[row]) for values in found.values())
            continue
        assert found["recall@4"][row] == pytest.approx(sum(right[:4]) / min(4, count))
        assert found["cmc@1"][row] == right[0]
        relevance = (labels == label).astype(float)
        scores = np.zeros(30)
        scores[lists[row]] = np.arange(8, 0, -1)
        assert found["ndcg@4"][row] == pytest.approx(ndcg_score([relevance], [scores], k=4))


def test_lists_of_right_items_and_empty_places():
    truth = ListTruth(torch.tensor([[5, 3, 9], [2, -1, -1], [-1, -1, -1]]))
    items = torch.tensor([[9, 1, 3, -1], [2, 5, -1, -1], [0, 1, 2, 3]])
    assert truth.hits(items).tolist() == [[True, False, True, False], [True, False, False, False], [False] * 4]
    assert truth.counts.tolist() == [3, 1, 0]
    found = query_figures(items, truth, k=3, first=False)
    assert found["recall@3"].tolist()[:2] == [pytest.approx(2 / 3), 1.0] and math.isnan(found["recall@3"][2])
    assert truth.of(torch.tensor([1])).counts.tolist() == [1]


def test_relevant_items_outside_the_gallery_are_no_answers():
    relevant = Relevant(starts=np.array([0, 3, 3]), items=np.array([0, 4, 6]))
    truth = relevant_in(relevant, np.array([0, 1]), np.array([4, 5, 6]), items=8)
    assert truth.items.tolist() == [[0, 2], [-1, -1]]
    assert truth.counts.tolist() == [2, 0]


def test_a_list_shorter_than_k_counts_what_it_has():
    found = query_figures(torch.tensor([[1]]), ListTruth(torch.tensor([[1, 0]])), k=10, first=False)
    assert found["recall@10"].tolist() == [0.5]
    assert found["ndcg@10"].tolist() == pytest.approx([1 / (1 + 1 / math.log2(3))])
