"""Small real runs, each made once; a test takes a copy and tampers with it."""

from __future__ import annotations

import csv
import hashlib
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

import clsim
from clsim.config.discovery import find_strategy
from clsim.data.datasets.split_hashes import SHA256
from helpers.tiny import save_tiny_clip, tiny_captions, tiny_dataset

FSCIL = """\
stream: {{kind: fscil, dataset: "folder:{root}/data", base_classes: 4, shots: 3, ways: 2, splits: {{draw: 1}}}}
strategy: {root}/mine.py
strategies:
  mine: {{pretrained: "{root}/small.safetensors"}}
seed: 1
"""
REPLACED = """\
stream:
  kind: replacement
  dataset: "folder:{root}/data"
  base_classes: 3
  ways: 2
  sessions: 1
  images_per_class: 4
  replacements:
    - {{model: trained, before: 0}}
    - {{model: random, during: 1, after_iterations: 1}}
strategy: stationary
strategies:
  stationary: {{backbone: resnet8x2, vertices: 128, epochs: 1, batch_size: 4, cpu_workers: 1}}
models:
  trained:
    {{kind: classifier, dataset: shapes, classes: 4, images_per_class: 8, backbone: resnet8x2, vertices: 128,
     epochs: 1, batch_size: 8, sizes: [16], cpu_workers: 1, precision: fp32}}
  random: {{kind: timm, name: test_resnet, weights: none}}
evaluation:
  compatibility: {{images: stream, criterion: nearest_class_mean, also: [cmc@1, map], images_per_class: 4}}
  service: {{queries: 10, steps: 2}}
"""
UPGRADE = """\
stream: {{kind: upgrade, dataset: "folder:{root}/data", classes: [3, 5, 6], images_per_class: 4}}
strategy: independent
strategies:
  independent: {{backbone: resnet8x2, epochs: 1, batch_size: 4}}
evaluation:
  compatibility: {{images: stream, query: test, gallery: test, criterion: cmc@1, also: [cmc@5, map],
                  images_per_class: 5}}
"""
GROWN = """\
stream: {{kind: upgrade, dataset: "folder:{root}/data", classes: [6, 6, 6], images_per_class: [1, 2, 4]}}
strategy: independent
strategies:
  independent: {{backbone: resnet8x2, epochs: 1, batch_size: 4}}
"""
OVERLAPPING = """\
stream: {{kind: upgrade, dataset: "folder:{root}/overlapping", classes: [3, 5, 6], images_per_class: 4}}
strategy: independent
strategies:
  independent: {{backbone: resnet8x2, epochs: 1, batch_size: 4}}
evaluation:
  compatibility: {{images: stream, query: test, gallery: train, criterion: cmc@1, also: [nearest_class_mean, map]}}
  service: {{queries: 10, steps: 2}}
"""
HELD_OUT = FSCIL + "validation: {{share: 0.5}}\n"
TEXTS = """\
stream: {{kind: text_upgrade, dataset: "captions:{root}/pictures.csv", load: [small, large, small], pairs: 6}}
strategy: clip_procrustes
models:
  small: {{kind: checkpoint, path: "{root}/small.safetensors"}}
  large: {{kind: checkpoint, path: "{root}/large.safetensors"}}
evaluation:
  compatibility: {{images: stream, criterion: recall@1, also: [recall@5]}}
  service: {{criterion: cmc@1}}
seed: 1
"""
LISTED = """\
stream: {{kind: fscil, dataset: cifar100, base_classes: 60, ways: 5, shots: 5, splits: standard}}
strategy: zero_shot
strategies:
  zero_shot: {{pretrained: "{root}/small.safetensors"}}
"""
SCENARIOS = {
    "fscil": FSCIL,
    "replaced": REPLACED,
    "upgrade": UPGRADE,
    "texts": TEXTS,
    "grown": GROWN,
    "overlapping": OVERLAPPING,
    "held_out": HELD_OUT,
}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Images in folders, images with captions, two small CLIPs, a strategy of one's own, and a place for models."""
    root = tmp_path_factory.mktemp("world")
    for split, images in (("train", tiny_dataset(8).train), ("test", tiny_dataset(8).test)):
        for number, (pixels, label) in enumerate(zip(images.pixels[:48], images.labels[:48].tolist(), strict=True)):
            path = root / "data" / split / f"thing_{label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path)
    shutil.copytree(root / "data", root / "overlapping")
    for number, path in enumerate(sorted((root / "overlapping" / "test").rglob("*.png"))):
        if number % 2:  # half of the test images stand among the training images of their class
            shutil.copy(path, root / "overlapping" / "train" / path.parent.name / f"copy{path.name}")
    rows = [("image", "caption", "split")]
    captions = tiny_captions()
    for split, told in (("train", captions.train), ("test", captions.test)):
        for number, (pixels, texts) in enumerate(zip(told.pixels, told.captions, strict=True)):
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(root / f"{split}{number:02}.png")
            rows += [(f"{split}{number:02}.png", text, split) for text in texts]
    with (root / "pictures.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    save_tiny_clip(root / "small.safetensors")
    save_tiny_clip(root / "large.safetensors", embed_dim=20, seed=1)
    shutil.copy(find_strategy("zero_shot"), root / "mine.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLSIM_MODELS", str(root / "models"))
        patch.setenv("CLSIM_DATA", str(root / "no data"))
        yield root


@pytest.fixture(scope="session")
def made(world: Path) -> Callable[[str], Path]:
    """The run of a scenario of this file, made when it is first asked for."""

    def make(name: str) -> Path:
        run = world / "runs" / name
        if not run.is_dir():
            (world / f"{name}.yaml").write_text(SCENARIOS[name].format(root=world))
            clsim.run(world / f"{name}.yaml", out=run, device="cpu")
        return run

    return make


@pytest.fixture
def run(made: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of such a run, to tamper with."""
    return lambda name: Path(shutil.copytree(made(name), tmp_path / name))


@pytest.fixture
def listed(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run by standard lists, on made-up CIFAR-100 files below ``tmp_path/data``; both pinned as the real ones are."""
    root = tmp_path / "data"
    monkeypatch.setenv("CLSIM_DATA", str(root))
    official, generator = datasets.CIFAR100, np.random.default_rng(0)
    labels = {"train": [c for c in range(100) for _ in range(6)], "test": list(range(100))}
    for table, split in (("train_list", "train"), ("test_list", "test")):
        rows = generator.integers(0, 256, (len(labels[split]), 3072), dtype=np.uint8)
        path = root / official.base_folder / split
        monkeypatch.setattr(official, table, [[split, pickled(path, {"data": rows, "fine_labels": labels[split]})]])
    md5 = pickled(root / official.base_folder / "meta", {"fine_label_names": [f"thing_{i}" for i in range(100)]})
    monkeypatch.setattr(official, "meta", {**official.meta, "md5": md5})
    lists = {"session_1.txt": list(range(360))}
    lists |= {
        f"session_{t + 2}.txt": [6 * c + i for c in range(60 + 5 * t, 65 + 5 * t) for i in range(5)] for t in range(8)
    }
    monkeypatch.setitem(SHA256, "cifar100", {name: write_list(root, name, images) for name, images in lists.items()})
    (world / "listed.yaml").write_text(LISTED.format(root=world))
    clsim.run(world / "listed.yaml", out=tmp_path / "listed", device="cpu")
    return tmp_path / "listed"


def pickled(path: Path, content: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_list(root: Path, name: str, images: list[int]) -> str:
    path = root / "fscil_splits" / "cifar100" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{image}\n" for image in images))
    return hashlib.sha256(path.read_bytes()).hexdigest()
