import pytest
import torch
from helpers.errors import refused
from torch.nn import functional as F

from clsim.metrics import cmc, nearest_others, recall_at_k, recall_of_exact


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


def test_queries_without_a_positive_may_be_left_out():
    query, gallery = torch.eye(3), torch.tensor([[1.0, 0.1, 0.0], [0.0, 1.0, 0.2], [0.6, 0.0, 0.3]])
    positives = [[0], [], [0]]
    assert recall_at_k(query, gallery, positives, k=(1, 3)) == pytest.approx({1: 1 / 3, 3: 2 / 3})
    assert recall_at_k(query, gallery, positives, k=(1, 3), unmatched="skip") == {1: 0.5, 3: 1.0}
    with refused(ValueError, names=("match", "skip")):
        recall_at_k(query, gallery, [[], [], []], unmatched="skip")


def test_exact_ties_hold_the_rule_whatever_the_order_and_the_chunk():
    random = torch.Generator().manual_seed(0)
    base = torch.randn(23, 64, generator=random)
    query, gallery = base + 0.01 * torch.randn(23, 64, generator=random), torch.cat([base, base])
    mask = torch.eye(23, dtype=torch.bool)
    mask = torch.cat([mask, torch.zeros_like(mask)], dim=1)  # the twin of every positive is none
    for chunk in (None, 1, 3):
        for _ in range(3):
            order = torch.randperm(46, generator=random)
            assert recall_at_k(query, gallery[order], mask[:, order], k=(1, 2), chunk=chunk) == {1: 0.0, 2: 1.0}


def test_arrays_are_taken_and_what_is_no_number_is_not():
    query, gallery, mask = torch.randn(4, 3), torch.randn(5, 3), torch.rand(4, 5) > 0.5
    expected = recall_at_k(query, gallery, mask)
    assert recall_at_k(query.numpy(), gallery.tolist(), mask.numpy()) == expected
    gallery[2, 1] = float("nan")
    with refused(ValueError, names=("gallery", "1 of 5")):
        recall_at_k(query, gallery, mask)


@pytest.mark.parametrize(
    ("positives", "k", "names"),
    [
        ([[0]], (1,), ("positives", "2", "1")),
        ([[0], [3]], (1,), ("positives", "0 to 2", "[3]")),
        ([[0], [-1]], (1,), ("positives", "0 to 2", "[-1]")),
        (torch.zeros(2, 2, dtype=torch.bool), (1,), ("positives", "(2, 3)", "(2, 2)")),
        (torch.zeros(2, 3), (1,), ("positives", "bool", "torch.float32")),
        ([[0], [True]], (1,), ("positives", "0 to 2", "[True]")),
        ([[0], [1.0]], (1,), ("positives", "[1.0]")),
        ([[0], [1]], (0,), ("k: expected", "0")),
        ([[0], [1]], (), ("k: expected", "none")),
        ([[0], [1]], (1.5,), ("k: expected", "1.5")),
    ],
)
def test_wrong_input_is_refused(positives, k, names):
    with refused(ValueError, names=names):
        recall_at_k(torch.eye(2), torch.ones(3, 2), positives, k)
    with refused(ValueError, names=("width", 3, 2)):
        recall_at_k(torch.eye(3), torch.ones(3, 2), [[0]] * 3)


def test_recall_of_the_exact_answer_by_hand():
    exact = torch.tensor([[1, 2], [3, -1]])
    assert recall_of_exact(torch.tensor([[2, 5, 1], [4, 4, -1]]), exact) == 2 / 3
    assert recall_of_exact(exact, exact) == 1.0
    with refused(ValueError, names=("exact",)):
        recall_of_exact(exact, torch.full((2, 1), -1))
    with refused(ValueError, names=("(2, 2)", "(1, 2)")):
        recall_of_exact(exact, exact[:1])


@pytest.mark.parametrize("own", [False, True, "some"])
def test_the_nearest_others_equal_sorted_lists(own):
    random = torch.Generator().manual_seed(3)
    gallery = torch.randn(30, 5, generator=random)
    query = gallery + 0.3 * torch.randn(30, 5, generator=random)
    themselves = {i: {i} if own is True else set() for i in range(30)}
    given = own
    if own == "some":
        given = torch.full((30, 2), -1)
        given[4], given[9, 0] = torch.tensor([4, 7]), 12
        themselves |= {4: {4, 7}, 9: {12}}
    found = nearest_others(query, gallery, 6, exclude_self=given)
    similarity = F.normalize(query, dim=1) @ F.normalize(gallery, dim=1).T
    for i, row in enumerate(similarity.tolist()):
        expected = sorted((j for j in range(30) if j not in themselves[i]), key=lambda j, row=row: -row[j])
        assert found[i].tolist() == expected[:6]


def test_a_small_gallery_is_returned_as_a_whole():
    assert nearest_others(torch.eye(2), torch.eye(2), 10).tolist() == [[0, 1], [1, 0]]
    assert nearest_others(torch.eye(2), torch.eye(2), 10, exclude_self=True).tolist() == [[1, -1], [0, -1]]
