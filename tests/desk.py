"""A desk of one scenario and one strategy, for tests of what reads them; no torch, no data."""

from __future__ import annotations

from pathlib import Path

STRATEGY = '''"""A strategy for tests."""

from typing import Literal

import a_package_that_is_not_there

Mode = Literal["replace", "accumulate"]


def build(
    stream,
    *,
    backbone: str = "resnet20",
    pretrained: str | None = None,
    epochs: int = 5,
    base_epochs: int | None = None,
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
FLOOR = "def build(stream, *, lr: float = 0.5):\n    pass\n"


def make_desk(folder: Path) -> Path:
    """Folders ``scenarios`` and ``strategies`` in `folder`; the path of the scenario."""
    for kind in ("scenarios", "strategies"):
        (folder / kind).mkdir()
    (folder / "strategies" / "toy.py").write_text(STRATEGY)
    (folder / "strategies" / "floor.py").write_text(FLOOR)
    (folder / "scenarios" / "stand_in.yaml").write_text(SCENARIO.replace("otherwise: stand_in\n", ""))
    scenario = folder / "scenarios" / "test.yaml"
    scenario.write_text(SCENARIO)
    return scenario
