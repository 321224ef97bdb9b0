import pytest
import torch
from torch.nn.functional import normalize

from clsim.metrics import flip_tests
from clsim.metrics.flip_tests import FIGURES, FlipTests
from clsim.metrics.functional.compatibility import constraints_satisfied

LABELS = torch.tensor([0, 0, 1, 1])
FIRST = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
SECOND = torch.tensor([[1.0, 0.2], [0.3, 1.0], [0.0, 1.0], [0.2, 1.0]])


def compared(second=SECOND, truncate=False, queries=100):
    against = FlipTests(LABELS, LABELS, queries=queries, same_images=False, truncate=truncate)
    right = torch.tensor([True, False, True, True])
    first = against.record([[0.75]], FIRST, FIRST, [right])
    assert first == dict.fromkeys((*FIGURES, "reindex_recall"))
    return against.record([[0.75], [0.5, 1.0]], second, second, [torch.tensor([False, True, False, True]), right])


def test_two_versions_by_hand():
    record = compared()
    assert (record["negative_flip_rate"], record["positive_flip_rate"]) == (0.5, 0.25)
    assert record["update_gain"] == pytest.approx((0.5 - 0.75) / (1.0 - 0.75))
    assert record["relative_negative_flip_rate"] == pytest.approx(0.5 / (0.75 * 0.5))
    same, different = constraints_satisfied(SECOND, FIRST, FIRST, LABELS, LABELS)
    assert record["constraints"] == {"same_class": same, "different_class": different}
    assert same < 1


def test_longer_features_have_inequalities_only_if_they_are_cut():
    longer = torch.cat([SECOND, torch.ones(4, 3)], 1)
    assert compared(longer)["constraints"] is None
    assert compared(longer, truncate=True)["constraints"] == compared()["constraints"]


def test_recall_of_a_re_indexed_gallery(monkeypatch):
    assert compared()["reindex_recall"] == 1.0  # of four items all are among the ten nearest
    monkeypatch.setattr(flip_tests, "RECALL_AT", 2)
    old = [{*row.topk(2).indices.tolist()} for row in normalize(SECOND) @ normalize(FIRST).T]
    new = [{*row.topk(2).indices.tolist()} for row in normalize(SECOND) @ normalize(SECOND).T]
    expected = sum(len(one & other) for one, other in zip(old, new, strict=True)) / 8
    assert compared()["reindex_recall"] == expected < 1
    longer = torch.cat([SECOND, torch.ones(4, 3)], 1)
    assert compared(longer)["reindex_recall"] == 0.0
    assert compared(longer, truncate=True)["reindex_recall"] > 0.0


def test_no_more_queries_are_asked_than_may_be():
    half = compared(queries=2)
    assert half["negative_flip_rate"] == compared()["negative_flip_rate"]  # those are of all queries
    assert half["constraints"] != compared()["constraints"]
