"""Every bridge recovers the maps of its kind."""

import pytest
import torch
from helpers.paired_rows import features, normal, rotation

from clsim.models.bridges import make_bridge


def relative_error(bridge, source, target):
    """Root mean squared error of mapped rows, relative to the deviation of the targets."""
    error = bridge.transform(source).double() - target
    return float((error.square().mean() / (target - target.mean(0)).square().mean()).sqrt())


MAPS = {
    "translation": lambda x: x + normal(16, seed=5),
    "rotation": lambda x: x @ rotation(16),
    "rotation and translation": lambda x: x @ rotation(16) + normal(16, seed=5),
    "affine": lambda x: x @ normal(16, 24, seed=6) + normal(24, seed=7),
    "low rank": lambda x: x @ normal(16, 3, seed=8) @ normal(3, 24, seed=9) + normal(24, seed=7),
}
FINDS = [
    ("mean_drift", {}, "translation", 1e-6),
    ("procrustes", {}, "rotation", 1e-6),
    ("procrustes_centered", {}, "rotation", 1e-6),
    ("procrustes_centered", {}, "translation", 1e-6),
    ("procrustes_centered", {}, "rotation and translation", 1e-6),
    *(("ridge", {}, name, 2e-6) for name in MAPS),
    ("low_rank", {"rank": 3}, "low rank", 2e-6),
    *(("residual_mlp", {"epochs": 2}, name, 2e-6) for name in MAPS),
    ("lambda_orthogonal", {"threshold": 0.0}, "rotation", 1e-5),
]


@pytest.mark.parametrize(("name", "settings", "kind", "precision"), FINDS)
@pytest.mark.parametrize("side", ["query", "gallery"])
def test_recovers_a_map_of_its_kind(name, settings, kind, precision, side):
    source, unseen = features(400, 16), features(100, 16, seed=3)
    target = MAPS[kind](source)
    pairs = (target, source) if side == "query" else (source, target)
    bridge = make_bridge(name, side=side, **settings).fit(*pairs)
    assert bridge.widths == (16, target.shape[1])
    assert relative_error(bridge, unseen, MAPS[kind](unseen)) < precision


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("identity", "rotation"),
        ("mean_drift", "rotation"),
        ("procrustes", "rotation and translation"),
        ("procrustes_centered", "affine"),
    ],
)
def test_misses_a_map_beyond_its_kind(name, kind):
    source = features(400, 16)
    bridge = make_bridge(name).fit(old=MAPS[kind](source), new=source)
    assert relative_error(bridge, source, MAPS[kind](source)) > 0.1


@pytest.mark.parametrize(("name", "precision"), [("procrustes", 0.02), ("procrustes_centered", 0.02), ("ridge", 0.04)])
def test_finds_a_rotation_under_noise_up_to_the_noise(name, precision):
    source, unseen, noise = features(2000, 16), features(500, 16, seed=3), 0.2
    bridge = make_bridge(name).fit(old=source @ rotation(16) + noise * normal(2000, 16, seed=4), new=source)
    target = unseen @ rotation(16)
    noisy = target + noise * normal(500, 16, seed=11)
    error = float((bridge.transform(unseen).double() - noisy).square().mean().sqrt())
    assert noise * 0.97 < error < noise * 1.05
    assert relative_error(bridge, unseen, target) < precision


def test_a_network_finds_what_no_affine_map_does():
    source, unseen = normal(3000, 6), normal(500, 6, seed=3)
    target, wanted = (rows + 2 * rows.roll(1, 1).abs() for rows in (source, unseen))
    ridge = make_bridge("ridge").fit(old=target, new=source)
    network = make_bridge("residual_mlp", hidden=64, learning_rate=5e-3).fit(old=target, new=source)
    assert relative_error(network, unseen, wanted) < 0.25 * relative_error(ridge, unseen, wanted)


def test_fct_maps_the_gallery():
    old, unseen = normal(3000, 6), normal(500, 6, seed=3)
    bridge = make_bridge("fct", hidden=64, epochs=40, batch_size=128, learning_rate=5e-3)
    bridge.fit(old=old, new=old.abs() @ normal(6, 4, seed=2))
    assert bridge.side == "gallery"
    assert relative_error(bridge, unseen, unseen.abs() @ normal(6, 4, seed=2)) < 0.3


def test_fastfill_knows_where_it_errs():
    """The noise of each row is given by its first number."""
    old = normal(3000, 4)
    noise = 0.05 + old[:, :1].abs()
    bridge = make_bridge("fastfill", hidden=64, epochs=40, batch_size=128, learning_rate=5e-3)
    bridge.fit(old=old, new=old + noise * normal(3000, 4, seed=2))
    unseen = normal(1000, 4, seed=3)
    predicted, true = bridge.uncertainty(unseen), 0.05 + unseen[:, 0].abs()
    ranks = torch.stack([values.argsort().argsort().double() for values in (predicted, true)])
    assert float(torch.corrcoef(ranks)[0, 1]) > 0.9
    order = bridge.uncertain_first(unseen)
    assert float(true[order[:200]].mean()) > 4 * float(true[order[-200:]].mean())
    assert float((predicted.sqrt() / true).median()) == pytest.approx(1, abs=0.25)
