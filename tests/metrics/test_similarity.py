import pytest
import torch

from clsim.metrics import mean_average_precision
from clsim.metrics.similarity import holding, row_blocks, similarity_blocks, unit_rows


def test_blocks_cover_every_row_once():
    for rows, chunk in ((10, 3), (10, 10), (10, 99), (1, 1), (0, 4)):
        covered = [row for block in row_blocks(rows, 5, chunk) for row in range(rows)[block]]
        assert covered == list(range(rows))


def test_blocks_bound_the_similarities_held_whatever_the_gallery():
    query, gallery = torch.randn(50, 3), torch.randn(30, 3)
    labels = torch.zeros(50, dtype=torch.long), torch.zeros(30, dtype=torch.long)
    with holding(100):
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
    assert unit_rows(torch.tensor([[float("nan"), 1.0], [float("inf"), 1.0], [0.0, 0.0]])).eq(0).all()
    assert unit_rows(torch.tensor([[1e-30, 0.0]])).abs().max() <= 1.0  # its square is no float32
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
    with holding(80):
        assert [part.stop - part.start for part in row_blocks(5, 40)] == [2, 2, 1]
        assert mean_average_precision(query, labels[0], gallery, labels[1]) == pytest.approx(whole, abs=1e-12)
    assert len(list(row_blocks(5, 40))) == 1
    with pytest.raises(ValueError, match="at least one"), holding(0):
        pass
