"""A folder of small images, a small CLIP and a scenario that joins them: the least that a whole run needs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from clsim.cli import main as cli
from helpers.tiny import save_tiny_clip, tiny_dataset

SCENARIO = """\
stream: {{kind: fscil, dataset: "folder:{data}", base_classes: 4, shots: 3, ways: 2, splits: {{draw: 1}}}}
strategy: zero_shot
strategies:
  zero_shot: {{pretrained: "{clip}"}}
seed: 1
"""


class World(NamedTuple):
    """Paths of the folder, of what is in it, and of the scenario."""

    root: Path
    data: Path
    clip: Path
    scenario: Path


def make_world(root: Path, name: Callable[[int], str] = "thing_{}".format) -> World:
    """Eight classes of six training and six test images in `root`; `name` gives the folder of a class."""
    world = World(root, root / "data", root / "tiny.safetensors", root / "things.yaml")
    for split, images in (("train", tiny_dataset(8).train), ("test", tiny_dataset(8).test)):
        for number, (pixels, label) in enumerate(zip(images.pixels[:48], images.labels[:48].tolist(), strict=True)):
            path = world.data / split / name(label) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path)
    save_tiny_clip(world.clip)
    world.scenario.write_text(SCENARIO.format(data=world.data, clip=world.clip))
    return world


class Said(NamedTuple):
    """How a command line ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> Said:
    """Runs a command line in this process."""
    monkeypatch.setattr(sys, "argv", ["clsim", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    return Said(int(left.value.code or 0), said.out, said.err)


class CommandLine:
    """Runs a command line in this process, in `folder`, where no data and no models are kept."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.chdir(folder)
        monkeypatch.setenv("CLSIM_DATA", str(folder / "no data"))
        monkeypatch.setenv("CLSIM_MODELS", str(folder / "no models"))
        monkeypatch.setenv("CLSIM_DEBUG", "")

    def __call__(self, *arguments: object) -> Said:
        return call(self._monkeypatch, self._capsys, *arguments)
