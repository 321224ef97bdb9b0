import copy
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers import filling
from helpers.features import cache_in, cached_backbone, counts, small_body
from helpers.tiny import tiny_images

from clsim.data.core.digests import LENGTH
from clsim.data.core.images import Images
from clsim.models import FrozenBackbone
from clsim.models.features import extract, store
from clsim.models.features.extract import compute_features


def expected(images, width=5):
    return compute_features(FrozenBackbone(small_body(width), cache=cache_in(None)), images.pixels)


def files(root):
    return sorted(root.glob("*/*.features"))


def test_features_are_computed_once_for_any_subset_order_and_model_object(tmp_path):
    images = tiny_images(10)
    backbone, some = cached_backbone(tmp_path), torch.tensor([5, 3, 99, 3])
    assert torch.equal(backbone.features_of(images, some), expected(images)[some])
    assert counts(backbone) == (1, 3)
    assert torch.equal(backbone.features_of(images), expected(images))
    assert counts(backbone) == (4, 100)
    again = cached_backbone(tmp_path)
    assert torch.equal(again.features_of(images.subset(torch.arange(99, -1, -1))), expected(images).flip(0))
    assert counts(again) == (100, 0)


def test_features_without_the_cache_are_the_same(tmp_path):
    images, off = tiny_images(10), cached_backbone(None)
    assert torch.equal(off.features_of(images), cached_backbone(tmp_path).features_of(images))
    assert torch.equal(off.features_of(images), off.features_of(images))
    assert counts(off) == (0, 300)


def test_no_image_has_no_feature(tmp_path):
    for backbone in (cached_backbone(tmp_path), cached_backbone(None)):
        assert backbone.features_of(tiny_images(1), torch.zeros(0, dtype=torch.int64)).shape == (0, 5)


def test_other_weights_have_other_features(tmp_path):
    images, backbone = tiny_images(2), cached_backbone(tmp_path)
    before = backbone.features_of(images)
    with torch.no_grad():
        backbone.module[0].bias.add_(1)
    after = backbone.features_of(images)
    assert not torch.equal(before, after)
    torch.testing.assert_close(after, backbone.module(images.pixels / 255))
    assert counts(backbone) == (0, 40)


def test_copies_share_the_cache_and_pickles_find_it_again(tmp_path):
    images, backbone = tiny_images(2), cached_backbone(tmp_path)
    rows = backbone.features_of(images)
    copied, pickled = copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))
    assert copied.cache is backbone.cache
    for other in (copied, pickled):
        assert torch.equal(other.features_of(images), rows)
    assert counts(pickled) == (20, 0)


def test_features_that_are_not_finite_are_not_stored(tmp_path):
    backbone = cached_backbone(tmp_path)
    with torch.no_grad():
        backbone.module[0].bias.fill_(float("nan"))
    assert backbone.features_of(tiny_images(1)).isnan().all()
    assert files(tmp_path) == []


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_file_is_noticed_and_made_again(tmp_path, caplog, damage):
    images = tiny_images(10)
    cached_backbone(tmp_path).features_of(images, torch.arange(40))
    (path,) = files(tmp_path)
    cached_backbone(tmp_path).features_of(images, torch.arange(40, 100))
    whole = path.read_bytes()
    at = len(whole) - 40 * LENGTH - 10  # among the features, which precede the digests
    damaged = {"flipped": whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :], "cut": whole[:at], "empty": b""}
    path.write_bytes(damaged[damage])
    backbone = cached_backbone(tmp_path)
    assert torch.equal(backbone.features_of(images), expected(images))
    assert counts(backbone) == (60, 40)
    assert str(path) in caplog.text
    assert path.read_bytes() == whole
    assert torch.equal(cached_backbone(tmp_path).features_of(images), expected(images))


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path, caplog):
    (tmp_path / "file").touch()
    backbone = cached_backbone(tmp_path / "file")
    for _ in range(2):
        assert torch.equal(backbone.features_of(tiny_images(2)), expected(tiny_images(2)))
    assert counts(backbone) == (20, 20)
    assert len(caplog.records) == 1 and str(tmp_path / "file") in caplog.text


def test_what_another_process_stores_meanwhile_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "CHUNK", 10)
    images, backbone, other = tiny_images(10), cached_backbone(tmp_path), cached_backbone(tmp_path)
    computed = []

    def meanwhile(module, batch):
        if not computed:
            other.features_of(images, torch.arange(50))
        computed.append(len(batch[0]))

    backbone.module.register_forward_pre_hook(meanwhile)
    assert torch.equal(backbone.features_of(images), expected(images))
    assert 50 <= counts(backbone)[1] <= 60


def test_many_small_files_are_merged(tmp_path, monkeypatch):
    images, backbone = tiny_images(10), cached_backbone(tmp_path)
    for start in range(0, 100, 5):
        backbone.features_of(images, torch.arange(start, start + 5))
    assert len(files(tmp_path)) == 20
    monkeypatch.setattr(store, "MERGED_FROM", 20)
    again = cached_backbone(tmp_path)
    assert torch.equal(again.features_of(images), expected(images))
    assert counts(again) == (100, 0)
    assert len(files(tmp_path)) == 1
    assert torch.equal(backbone.features_of(images), expected(images))  # which reads the files that are gone
    assert counts(cached_backbone(tmp_path)) == (0, 0)


def fill(root, processes, how):
    tests = Path(__file__).parents[2]
    command = [sys.executable, "-m", "helpers.filling", str(root), str(processes), how]
    done = subprocess.run(command, cwd=tests, capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_killed_processes_lose_nothing_and_damage_nothing(tmp_path, caplog):
    """SIGKILL soon after a new file; each process begins where the last one was stopped."""
    present = fill(tmp_path, 5, "killed")
    assert present == sorted(set(present)) and len(present) == 5
    backbone, images = cached_backbone(tmp_path, filling.WIDTH), tiny_images(filling.PER_CLASS)
    assert torch.equal(backbone.features_of(images), expected(images, filling.WIDTH))
    found, computed = counts(backbone)
    assert (found, computed) == (filling.PART * present[-1], len(images) - filling.PART * present[-1])
    assert computed > 0  # the last process was killed before its end
    assert "damaged" not in caplog.text


@pytest.mark.slow
def test_several_processes_fill_it_at_once(tmp_path):
    assert len(fill(tmp_path, 3, "together")) == 3
    backbone, images = cached_backbone(tmp_path, filling.WIDTH), tiny_images(filling.PER_CLASS)
    assert torch.equal(backbone.features_of(images), expected(images, filling.WIDTH))
    assert counts(backbone) == (len(images), 0)


def test_equal_images_are_computed_once(tmp_path):
    pixels = tiny_images(1).pixels[:1].expand(50, -1, -1, -1)
    backbone = cached_backbone(tmp_path)
    rows = backbone.features_of(Images(pixels, torch.zeros(50, dtype=torch.int64), ("one",), "same"))
    assert counts(backbone) == (49, 1)
    assert (rows == rows[0]).all()


def test_a_batch_of_another_backbone_is_refused(tmp_path):
    backbone, other = cached_backbone(tmp_path), FrozenBackbone(small_body(seed=1))
    batch = backbone.owned(backbone.features_of(tiny_images(1)))
    assert type(backbone(batch)) is torch.Tensor
    assert torch.equal(copy.deepcopy(backbone)(batch), backbone.features_of(tiny_images(1)))
    with pytest.raises(ValueError, match="another backbone"):
        other(batch)
    assert other(batch[:2]).shape == (2, 5)  # a part of a batch names no origin


def test_progress_of_a_long_extraction(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(extract, "CHUNK", 25)
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now.__setitem__(0, now[0] + 1.0) or now[0])
    cached_backbone(tmp_path).features_of(tiny_images(10))
    shown = capsys.readouterr().err.splitlines()
    assert shown[-1].startswith("features of small: 100 of 100 images, ")
    cached_backbone(tmp_path).features_of(tiny_images(10))
    assert capsys.readouterr().err == ""
