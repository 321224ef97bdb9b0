"""Small real runs of every kind, made once; their names are as unkind as names can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.seeded import SCENARIOS
from helpers.tiny import save_tiny_clip, tiny_captions
from helpers.unkind import PUBLISHED, QUOTED, unkind

import clsim
from clsim.experiment import resolve as preparing


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@contextmanager
def unkindly(world: Path) -> Iterator[pytest.MonkeyPatch]:
    """Only around a run: other tests of the same process are to find the data as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "load_dataset", lambda name, *, image_size: unkind())
        patch.setenv("CLSIM_MODELS", str(world / "models"))
        yield patch


@pytest.fixture(scope="session")
def made(world: Path) -> Callable[..., Path]:
    """`made(kind, seed=1)` is the directory of a run, made when it is first asked for."""

    def make(kind: str, seed: int = 1) -> Path:
        run = world / f"{kind}{seed}"
        if not run.is_dir():
            content: dict[str, Any] = {**SCENARIOS[kind], "description": QUOTED}
            if kind == "fscil":
                content |= {"published": PUBLISHED, "stream": {**content["stream"], "splits": "drawn"}}
            (world / f"{kind}.yaml").write_text(yaml.safe_dump(content))
            with unkindly(world):
                clsim.run(world / f"{kind}.yaml", out=run, device="cpu", seed=seed)
        return run

    return make


@pytest.fixture(scope="session")
def captioned(world: Path) -> Path:
    """A run of image-text models: nothing is classified."""
    content = {
        "stream": {"kind": "text_upgrade", "dataset": "shapes", "load": ["small", "large"]},
        "strategy": "clip_procrustes",
        "models": {
            name: {"kind": "checkpoint", "path": save_tiny_clip(world / f"{name}.safetensors", embed_dim=size)}
            for name, size in (("small", 12), ("large", 20))
        },
        "evaluation": {"compatibility": {"images": "stream", "criterion": "recall@1", "also": ["recall@5"]}},
    }
    (world / "texts.yaml").write_text(json.dumps(content))
    with unkindly(world) as patch:
        patch.setattr(preparing, "load_captions", lambda name, *, image_size: tiny_captions())
        clsim.run(world / "texts.yaml", out=world / "texts", device="cpu")
    return world / "texts"


@pytest.fixture
def results() -> Callable[[Path], dict[str, Any]]:
    return lambda run: json.loads((run / "results.json").read_text())
