import pytest
import torch
from torch.nn import functional as F

from clsim.metrics import cmc, recall_at_k


def sides(captions):
    generator = torch.Generator().manual_seed(7)
    images = torch.randn(40, 6, generator=generator)
    of = torch.arange(40).repeat_interleave(captions)[torch.randperm(40 * captions, generator=generator)]
    texts = images[of] + 1.2 * torch.randn(40 * captions, 6, generator=generator)
    return (images, torch.arange(40)), (texts, of)


@pytest.mark.parametrize("chunk", [None, 7])
@pytest.mark.parametrize("captions", [1, 5])
def test_it_equals_a_double_loop_in_both_directions(captions, chunk):
    both = sides(captions)
    for (query, mine), (gallery, theirs) in (both, both[::-1]):
        similarity = F.normalize(query, dim=1) @ F.normalize(gallery, dim=1).T
        mask = mine[:, None] == theirs
        lists = [row.nonzero().flatten().tolist() for row in mask]
        found = recall_at_k(query, gallery, mask, chunk=chunk)
        assert found == recall_at_k(query, gallery, lists, chunk=chunk) == cmc(query, mine, gallery, theirs, (1, 5, 10))
        for k in (1, 5, 10):
            hits = 0
            for row, places in zip(similarity.tolist(), lists, strict=True):
                nearest = sorted(range(len(row)), key=lambda index: -row[index])[:k]
                hits += any(index in places for index in nearest)
            assert found[k] == hits / len(query)
        assert 0 < found[1] < found[5] < found[10]


def test_ties_and_queries_without_a_partner_count_as_wrong():
    gallery = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    query = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert recall_at_k(query, gallery, [[0], []], k=(1, 2)) == {1: 0.0, 2: 0.5}
    assert recall_at_k(query, gallery, [[0, 1], [2]], k=(1,)) == {1: 1.0}


@pytest.mark.parametrize(
    ("positives", "k", "message"),
    [
        ([[0]], (1,), "positives of 1 queries for 2"),
        ([[0], [3]], (1,), "outside the gallery of 3"),
        ([[0], [-1]], (1,), "outside the gallery of 3"),
        (torch.zeros(2, 2, dtype=torch.bool), (1,), r"bool \(2, 3\)"),
        (torch.zeros(2, 3), (1,), r"bool \(2, 3\)"),
        ([[0], [1]], (0,), "from 1"),
    ],
)
def test_wrong_input_is_told(positives, k, message):
    with pytest.raises(ValueError, match=message):
        recall_at_k(torch.eye(2), torch.ones(3, 2), positives, k)
    with pytest.raises(ValueError, match="one width"):
        recall_at_k(torch.eye(3), torch.ones(3, 2), [[0]] * 3)
