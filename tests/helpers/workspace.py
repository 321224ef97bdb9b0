"""A workspace of one scenario and one strategy, for tests of what reads them; no torch, no data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clsim.config import load_scenario
from clsim.utils.errors import UserError, UserErrors

STRATEGY = '''"""A strategy for tests."""

from typing import Literal

import a_package_that_is_not_there
from clsim.utils.arguments import Whole

Mode = Literal["replace", "accumulate"]


def build(
    stream,
    *,
    backbone: str = "resnet20",
    pretrained: str | None = None,
    epochs: Whole = 5,
    base_epochs: Whole | None = None,
    lr: float = 0.1,
    mode: Mode = "replace",
    sizes: tuple[int, ...] = (1, 2),
    regularise: bool = True,
    device: str = "cpu",
):
    """Composes it.

    Args:
        stream: what arrives.
        epochs: passes over
            a session.
        mode (str): one of two.
    """
'''
SCENARIO = """\
# A scenario for tests.
description: a test
stream:
  kind: fscil
  dataset: shapes
  base_classes: 60
  ways: 5
  shots: 5
  splits: {draw: 1}
  class_order: natural
strategy: toy
strategies:
  toy: {epochs: 2, lr: 1, mode: accumulate}
models:
  small: {kind: clip, dataset: [shapes], image_size: 32}
evaluation: {forgetting: true, batch_size: 64}
published:
  toy: {accuracy: [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], source: nowhere}
references: [floor]
seed: 42
otherwise: stand_in
"""
REPLACEMENT = """\
stream:
  kind: replacement
  dataset: cifar100
  base_classes: 10
  ways: 15
  images_per_class: 300
  replacements:
    - {model: v1, before: 0}
    - {model: v2, before: 2}
    - {model: v3, during: 4, after_iterations: 120}
strategy: toy
models:
  v1: {kind: classifier, dataset: tiny_imagenet32, classes: 50}
  v2: {kind: timm, name: resnet18.a1_in1k}
  v3: {kind: checkpoint, path: v3.safetensors}
evaluation:
  compatibility:
    images: cifar10
    query: train
    gallery: test
    criterion: nearest_class_mean
  service: {queries: 500}
published:
  toy: {ac: 0.952, am: 0.689, source: nowhere}
"""
FLOOR = "def build(stream, *, lr: float = 0.5):\n    pass\n"


def make_workspace(folder: Path) -> Path:
    """Folders ``scenarios`` and ``strategies`` in `folder`; the path of the scenario."""
    for kind in ("scenarios", "strategies"):
        (folder / kind).mkdir()
    (folder / "strategies" / "toy.py").write_text(STRATEGY)
    (folder / "strategies" / "floor.py").write_text(FLOOR)
    (folder / "scenarios" / "stand_in.yaml").write_text(SCENARIO.replace("otherwise: stand_in\n", ""))
    scenario = folder / "scenarios" / "test.yaml"
    scenario.write_text(SCENARIO)
    return scenario


def problems_of(path: Path, text: str | None = None, overrides: Any = None, **options: Any) -> list[UserError]:
    """What is wrong with a scenario, after writing `text` to it if given; one without problems is a failure."""
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserErrors) as caught:
        load_scenario(path, overrides, **options)
    return list(caught.value.errors)


def edited(text: str, old: str, new: str) -> str:
    """`text` with the first `old`, of which there must be one, replaced."""
    assert old in text
    return text.replace(old, new, 1)
