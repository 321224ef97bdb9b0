import numpy as np
import pytest
import torch
from helpers.errors import refused
from torch.nn.functional import normalize

from clsim.losses import orthogonal_procrustes, slerp


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
        with refused(ValueError, names=(shapes[0], shapes[1])):
            orthogonal_procrustes(*map(torch.zeros, shapes))


def test_slerp_goes_round_at_even_speed():
    first, second = drawn(30, 7).float(), normalize(drawn(30, 7, seed=5).float(), dim=1)
    whole = (normalize(first, dim=1) * second).sum(1).acos()
    for share in (0.0, 0.25, 0.9, 1.0):
        between = slerp(first, second, share)
        torch.testing.assert_close(between.norm(dim=1), torch.ones(30))
        gone = (between * normalize(first, dim=1)).sum(1).clamp(-1, 1).acos()
        torch.testing.assert_close(gone, share * whole, atol=1e-3, rtol=1e-3)


def test_slerp_of_one_direction_is_it():
    one = drawn(4, 3).float()
    torch.testing.assert_close(slerp(3 * one, normalize(one, dim=1), 0.3), normalize(one, dim=1))
    with refused(ValueError, names=("share", "[0, 1]", 1.5)):
        slerp(one, one, 1.5)


def upgraded(width, old_width, items=60, noise=0.6):
    """Unit features of images and texts by two models, which share what the old one sees up to a turn and noise."""
    rng = np.random.default_rng(width)
    meaning = rng.normal(size=(items, max(width, old_width)))
    turn = np.linalg.qr(rng.normal(size=(width, width)))[0]

    def seen(columns, spread):
        noisy = meaning[:, :columns] + spread * rng.normal(size=(items, columns))
        return noisy / np.linalg.norm(noisy, axis=1, keepdims=True)

    old = {kind: seen(old_width, noise) for kind in ("image", "text")}
    new = {kind: seen(width, 0.8 * noise) @ turn for kind in ("image", "text")}
    return old, new


def published_ranks(old, new, rotation, gallery, share):
    """The authors' protocol with loops, in the width of the longer features: whose items come first."""
    ranks = []
    for before, now in zip(old, new, strict=True):
        u, v = np.zeros(len(rotation)), now @ rotation
        u[: len(before)] = before
        theta = np.arccos(np.clip(u @ v, -1, 1))
        query = (np.sin((1 - share) * theta) * u + np.sin(share * theta) * v) / np.sin(theta)
        scores = []
        for item in gallery:
            padded = np.zeros(len(rotation))
            padded[: len(item)] = item
            scores.append(query @ padded)
        ranks.append(np.argsort(-np.array(scores)))
    return np.array(ranks)


@pytest.mark.parametrize(("width", "old_width"), [(48, 32), (32, 32)])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 1.0])
def test_slerp_finds_what_the_published_protocol_finds_in_the_new_width(width, old_width, share):
    old, new = upgraded(width, old_width)
    wide = np.zeros((60, width))
    wide[:, :old_width] = old["text"]
    left, _, right = np.linalg.svd(new["text"].T @ wide)
    whole = left @ right  # square: what its last columns are the zeros do not tell, and they do not matter
    thin = orthogonal_procrustes(*(torch.from_numpy(features["text"]) for features in (new, old)))
    turned = torch.from_numpy(new["image"]) @ thin.double()
    queries = slerp(torch.from_numpy(old["image"]), turned, share)
    ours = (queries @ torch.from_numpy(old["text"]).T).argsort(dim=1, descending=True).numpy()
    theirs = published_ranks(old["image"], new["image"], whole, old["text"], share)
    assert (ours == theirs).all()
    # Scaled to length 1 in the old width first, it finds something else, unless the widths agree.
    scaled = slerp(torch.from_numpy(old["image"]), normalize(turned, dim=1), share)
    other = (scaled @ torch.from_numpy(old["text"]).T).argsort(dim=1, descending=True).numpy()
    assert (other == theirs).all() == (width == old_width or share == 1)
