import pytest
import torch
from helpers.errors import refused

from clsim.metrics import mean_average_precision
from clsim.metrics.functional import similarity
from clsim.metrics.functional.similarity import cosines, limit_similarities, row_blocks, similarity_blocks, unit_rows


def test_blocks_cover_every_row_once():
    for rows, chunk in ((10, 3), (10, 10), (10, 99), (1, 1), (0, 4)):
        covered = [row for block in row_blocks(rows, 5, chunk) for row in range(rows)[block]]
        assert covered == list(range(rows))


def test_blocks_bound_the_similarities_held_whatever_the_gallery():
    query, gallery = torch.randn(50, 3), torch.randn(30, 3)
    labels = torch.zeros(50, dtype=torch.long), torch.zeros(30, dtype=torch.long)
    with limit_similarities(100):
        shapes = [tuple(block.shape) for block, _ in similarity_blocks(query, labels[0], gallery, labels[1])]
        assert shapes == [(3, 30)] * 16 + [(2, 30)]
        assert [block.stop - block.start for block in row_blocks(3, 1000)] == [1, 1, 1]  # one query at least


def test_rows_of_length_1_carry_no_gradient_and_leave_their_source_alone():
    features = torch.randn(6, 4, requires_grad=True)
    before = features.detach().clone()
    units = unit_rows(features)
    assert not units.requires_grad
    assert units.norm(dim=1) == pytest.approx(torch.ones(6))
    assert features.detach().equal(before)
    broken = torch.tensor([[float("nan"), 1.0], [float("inf"), 1.0], [0.0, 0.0], [-float("inf"), 0.0], [3.0, 4.0]])
    assert unit_rows(broken).isfinite().all(dim=1).tolist() == [False, False, True, False, True]
    assert unit_rows(broken)[2].eq(0).all()
    with refused(ValueError, names=("stored", "3 of 5", "row 0")):
        unit_rows(broken, "stored")
    for scale in (1e-42, 1e-30, 1e19, 1e38):  # squares of these are no float32
        assert unit_rows(torch.tensor([[scale, 0.0, scale]])) == pytest.approx(torch.tensor([[0.5**0.5, 0, 0.5**0.5]]))
    assert unit_rows(torch.tensor([[3e-3, 4e-3]], dtype=torch.float16)).norm() == pytest.approx(1.0)


def test_an_item_is_neither_similar_to_itself_nor_of_its_class():
    features, labels = torch.randn(5, 3), torch.tensor([0, 0, 1, 1, 1])
    blocks = similarity_blocks(features, labels, features, labels, exclude_self=True, chunk=2)
    whole, same = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    assert whole.diagonal().eq(-float("inf")).all()
    assert whole.isinf().sum() == 5
    assert same.sum(dim=1).tolist() == [1, 1, 2, 2, 2]


def test_what_is_held_at_once_changes_memory_and_no_figure():
    query, gallery = torch.randn(50, 8), torch.randn(40, 8)
    labels = torch.arange(50) % 5, torch.arange(40) % 5
    whole = mean_average_precision(query, labels[0], gallery, labels[1])
    with limit_similarities(80):
        assert [part.stop - part.start for part in row_blocks(5, 40)] == [2, 2, 1]
        assert mean_average_precision(query, labels[0], gallery, labels[1]) == pytest.approx(whole, abs=1e-12)
    assert len(list(row_blocks(5, 40))) == 1
    with refused(ValueError, names=("similarities", 0)), limit_similarities(0):
        pass


@pytest.mark.parametrize("width", [1, 3, 64, 513, 5000])
def test_rows_are_those_of_float64_wherever_they_lie(width, monkeypatch):
    rows = torch.randn(40, width, generator=torch.Generator().manual_seed(width))
    units, double = unit_rows(rows), rows.double()
    assert units.double() == pytest.approx(double / double.norm(dim=1, keepdim=True), abs=2.0**-25 + 1e-12)
    assert (units.double() * 2.0**24).frac().eq(0).all()
    order = torch.randperm(40)
    for numbers in (1, 7 * width, 1 << 18):
        monkeypatch.setattr(similarity, "NUMBERS", numbers)
        assert unit_rows(rows[order]).equal(units[order])
        assert unit_rows(rows.T.contiguous().T).equal(units)
        assert unit_rows(rows.half().double()).equal(unit_rows(rows.half()))
        # The numbers of a row in another order have the same length.
        assert unit_rows(rows.flip(1)).equal(units.flip(1))


@pytest.mark.parametrize("width", [2, 64, 513])
def test_cosines_are_exact_before_they_are_rounded(width):
    """Against integers, which Python adds without any rounding."""
    random = torch.Generator().manual_seed(width)
    query, gallery = (unit_rows(torch.randn(rows, width, generator=random)) for rows in (9, 14))
    whole = [[[int(value) for value in (row.double() * 2**24).tolist()] for row in side] for side in (query, gallery)]
    exact = [[sum(a * b for a, b in zip(one, other, strict=True)) / 2**48 for other in whole[1]] for one in whole[0]]
    expected = torch.tensor(exact, dtype=torch.float64).float()
    assert cosines(query, gallery).equal(expected)
    assert cosines(query, gallery.double()).equal(expected)
    for start in range(14):
        assert cosines(query[3:4], gallery[start : start + 1]).equal(expected[3:4, start : start + 1])
    with torch.autocast("cpu", torch.bfloat16):
        assert cosines(query, gallery).equal(expected)
