import pytest
import torch
from torch.nn.functional import normalize

from clsim.alignment import orthogonal_procrustes, slerp


def drawn(rows, columns, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(width, seed=1):
    return torch.linalg.qr(drawn(width, width, seed))[0]


def test_a_known_rotation_is_recovered():
    features, known = drawn(200, 16), rotation(16)
    found = orthogonal_procrustes(features.float(), (features @ known).float())
    assert (found - known.float()).abs().max() < 1e-5


def test_a_known_rotation_is_recovered_from_noisy_features():
    features, known = drawn(5000, 8), rotation(8)
    found = orthogonal_procrustes(features, features @ known + 0.1 * drawn(5000, 8, seed=2))
    assert (found - known.float()).abs().max() < 0.01


@pytest.mark.parametrize(("new", "old"), [(16, 6), (6, 16)])
def test_other_widths_equal_zeros_in_the_place_of_what_is_missing(new, old):
    features, wanted, wide = drawn(100, new), drawn(100, old, seed=3), max(new, old)
    found = orthogonal_procrustes(features, wanted).double()
    turned = found.T @ found if new > old else found @ found.T
    assert (turned - torch.eye(min(new, old), dtype=torch.float64)).abs().max() < 1e-6
    filled = [torch.cat([part, part.new_zeros(100, wide - part.shape[1])], 1) for part in (features, wanted)]
    whole = orthogonal_procrustes(*filled).double()
    assert torch.allclose(features @ found, (filled[0] @ whole)[:, :old], atol=1e-4)


def test_no_rotation_near_it_is_closer():
    features, wanted = drawn(50, 5), drawn(50, 5, seed=4)
    found = orthogonal_procrustes(features, wanted).double()
    best = (features @ found - wanted).norm()
    for seed in range(20):
        skew = drawn(5, 5, seed)
        near = found @ torch.linalg.matrix_exp(0.05 * (skew - skew.T))
        assert (features @ near - wanted).norm() > best


def test_features_of_other_items_are_refused():
    for shapes in (((3, 4), (2, 4)), ((0, 4), (0, 4)), ((4,), (4,))):
        with pytest.raises(ValueError, match="features of the same items"):
            orthogonal_procrustes(*map(torch.zeros, shapes))


def test_slerp_goes_round_at_even_speed():
    first, second = drawn(30, 7).float(), drawn(30, 7, seed=5).float()
    whole = (normalize(first, dim=1) * normalize(second, dim=1)).sum(1).acos()
    for share in (0.0, 0.25, 0.9, 1.0):
        between = slerp(first, second, share)
        torch.testing.assert_close(between.norm(dim=1), torch.ones(30))
        gone = (between * normalize(first, dim=1)).sum(1).clamp(-1, 1).acos()
        torch.testing.assert_close(gone, share * whole, atol=1e-3, rtol=1e-3)


def test_slerp_of_one_direction_is_it():
    one = drawn(4, 3).float()
    torch.testing.assert_close(slerp(one, 3 * one, 0.3), normalize(one, dim=1))
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        slerp(one, one, 1.5)
