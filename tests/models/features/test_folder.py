import os

import pytest
from helpers.errors import refused
from helpers.features import cached_backbone
from helpers.tiny import tiny_images

from clsim.models.features.folder import FeatureFolder, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("512", 512), ("20GB", 20 * 10**9), ("1.5 mb", 1_500_000), ("2T", 2 * 10**12)],
)
def test_sizes(text, size):
    assert parse_size(text, "limit") == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1 e9", "12 PB", "nan"])
def test_other_texts_are_refused(text):
    with refused(where="limit", names=[repr(text), "GB"]):
        parse_size(text, "limit")


def test_the_environment_chooses_folder_and_limit(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CLSIM_FEATURES")
    assert FeatureFolder.from_environment() == FeatureFolder(tmp_path / ".cache/clsim/features", 20 * 10**9)
    monkeypatch.setenv("CLSIM_FEATURES", "~/elsewhere")
    monkeypatch.setenv("CLSIM_FEATURES_LIMIT", "1MB")
    assert FeatureFolder.from_environment() == FeatureFolder(tmp_path / "elsewhere", 10**6)
    monkeypatch.setenv("CLSIM_FEATURES", "off")
    assert FeatureFolder.from_environment().path is None
    monkeypatch.setenv("CLSIM_FEATURES_LIMIT", "much")
    with refused(where="CLSIM_FEATURES_LIMIT", names=["much"]):
        FeatureFolder.from_environment()


def age(path, seconds):
    """Make a file look as if it was used the last time so many seconds ago."""
    used = path.stat().st_mtime - seconds
    os.utime(path, (used, used))


def test_status_counts_backbones_images_and_bytes(tmp_path):
    first, second = cached_backbone(tmp_path), cached_backbone(tmp_path, width=7)
    first.features_of(tiny_images(2))
    first.features_of(tiny_images(2, seed=1))
    second.features_of(tiny_images(1))
    for path in tmp_path.glob(f"{first.key().name}/*.features"):
        age(path, 100)
    found = FeatureFolder(tmp_path, 10**9).status()
    assert [(each.name, each.images, each.files, each.precision) for each in found] == [
        ("small", 10, 1, "fp32"),
        ("small", 40, 2, "fp32"),
    ]
    assert found[0].weights_sha256 == second.key().weights_sha256
    on_disk = sum(path.stat().st_size for path in tmp_path.glob("*/*.features"))
    assert sum(each.size for each in found) == on_disk
    assert found[0].last_use > found[1].last_use


def test_clear_removes_everything_and_running_processes_go_on(tmp_path):
    backbone = cached_backbone(tmp_path)
    rows = backbone.features_of(tiny_images(2))
    left = tmp_path / backbone.key().name / ".aa.features.12345"
    left.touch()
    assert FeatureFolder(tmp_path, 10**9).clear()[0] == 1
    assert list(tmp_path.iterdir()) == []
    assert FeatureFolder(tmp_path, 10**9).clear() == (0, 0)
    assert (backbone.features_of(tiny_images(2)) == rows).all()
    assert backbone.features_of(tiny_images(2, seed=1)).shape == (20, 5)
    assert len(list(tmp_path.glob("*/*.features"))) == 1


def test_leftovers_of_killed_processes_go_after_a_day(tmp_path):
    (tmp_path / "x").mkdir()
    old, new = tmp_path / "x" / ".a.features.1", tmp_path / "x" / ".b.features.2"
    old.touch()
    new.touch()
    age(old, 25 * 3600)
    FeatureFolder(tmp_path, 10**9).remove_leftovers()
    assert not old.exists() and new.exists()


def test_the_least_recently_used_files_make_room(tmp_path):
    backbone = cached_backbone(tmp_path)
    for seed in range(3):
        backbone.features_of(tiny_images(2, seed=seed))
    files = sorted(tmp_path.glob("*/*.features"), key=lambda path: path.stat().st_mtime_ns)
    for place, path in enumerate(files):
        age(path, 1000 - place)
    size = files[0].stat().st_size
    other = cached_backbone(tmp_path, limit=3 * size + 100)
    other.features_of(tiny_images(2, seed=0))  # now the last used one
    other.features_of(tiny_images(2, seed=9))
    left = {path for path in files if path.exists()}
    assert files[0] in left and files[1] not in left
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*.features")) <= 3 * size + 100


def test_the_limit_holds_though_a_run_needs_more(tmp_path, caplog):
    backbone = cached_backbone(tmp_path, limit=2500)
    rows = [backbone.features_of(tiny_images(2, seed=seed)) for seed in range(5)]
    kept = sum(path.stat().st_size for path in tmp_path.glob("*/*.features"))
    assert 0 < kept <= 2500
    assert "limit" in caplog.text and len(caplog.records) == 1
    again = [backbone.features_of(tiny_images(2, seed=seed)) for seed in range(5)]
    assert all((one == other).all() for one, other in zip(rows, again, strict=True))
    assert sum(each.computed for each in backbone.cache.usage.values()) == 100
