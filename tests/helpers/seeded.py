"""Three scenarios of a tiny world, one of each kind in which something is drawn, and what a run of them saw."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from clsim.experiment.build import prepare
from clsim.experiment.runner import simulate
from clsim.training import Strategy

TRAINED = {"backbone": "resnet8x2", "epochs": 1, "batch_size": 16, "cpu_workers": 1, "crop_padding": 1}
COMPARED = {"images": "stream", "criterion": "nearest_class_mean", "images_per_class": 3}
SCENARIOS: dict[str, dict[str, Any]] = {
    "fscil": {
        "stream": {"kind": "fscil", "dataset": "cifar10", "base_classes": 4, "ways": 3, "shots": 3},
        "strategy": "stationary",
        "strategies": {
            "stationary": {
                **TRAINED,
                "vertices": 12,
                "base_epochs": 1,
                "base_batch_size": 16,
                "sizes": [8],
                "few_shot_epochs": 2,
                "few_shot_batch_size": 4,
            }
        },
        "evaluation": {"compatibility": COMPARED},
    },
    "replacement": {
        "stream": {
            "kind": "replacement",
            "dataset": "cifar10",
            "base_classes": 4,
            "ways": 3,
            "replacements": [{"model": "early", "before": 1}, {"model": "late", "during": 2, "after_iterations": 2}],
        },
        "strategy": "replay",
        "strategies": {"replay": {**TRAINED, "memory": 4}},
        "models": {
            "early": {"kind": "timm", "model": "resnet8x2", "pretrained": False},
            "late": {"kind": "timm", "model": "resnet8x2", "pretrained": False},
        },
        "evaluation": {"compatibility": COMPARED, "service": {"queries": 8, "steps": 2}},
    },
    "upgrade": {
        "stream": {"kind": "upgrade", "dataset": "cifar10", "classes": [5, 7, 10]},
        "strategy": "oca",
        "strategies": {"oca": {**TRAINED, "image_size": 8, "dimensions": 6, "added": 2}},
        "evaluation": {"compatibility": {**COMPARED, "truncate": True}},
    },
}


class Seen(SupervisedPlugin[Any]):
    """Notes weights and batches, session by session.

    Attributes:
        first: weights with which a session's training began.
        last: weights with which it ended.
        batches: images as they were augmented, and class ids.

    """

    def __init__(self) -> None:
        super().__init__()
        self.first: list[dict[str, Tensor]] = []
        self.last: list[dict[str, Tensor]] = []
        self.batches: list[list[tuple[Tensor, Tensor]]] = []

    def before_training_exp(self, strategy: Strategy, **kwargs: Any) -> None:
        self.first.append(_copy(strategy))
        self.batches.append([])

    def before_forward(self, strategy: Strategy, **kwargs: Any) -> None:
        self.batches[-1].append((strategy.mbatch[0].clone(), strategy.mbatch[1].clone()))

    def after_training_exp(self, strategy: Strategy, **kwargs: Any) -> None:
        self.last.append(_copy(strategy))


class Ran(NamedTuple):
    """A run.

    Attributes:
        seen: weights and batches.
        draws: what every generator gives next: the same only by the same seeds and after as many draws.

    """

    seen: Seen
    results: dict[str, Any]
    draws: list[int]
    stream: Any
    path: Path

    @property
    def places(self) -> list[list[int]]:
        """Training images of every session."""
        return [session.resident.indices.tolist() for session in self.stream.train_stream]

    def labels(self, session: int) -> list[int]:
        """Class ids in the order in which they were learnt."""
        return torch.cat([labels for _, labels in self.seen.batches[session]]).tolist()


class World:
    """Runs of the scenarios; CIFAR-10 must be what the tiny world has.

    Args:
        folder: an empty one.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = 0

    def run(self, kind: str, changes: dict[str, object]) -> Ran:
        """A run of the scenario of that kind; changes are overrides."""
        path = self.folder / f"{kind}.yaml"
        path.write_text(yaml.safe_dump(SCENARIOS[kind]))
        prepared = prepare(path, None, changes, None, "cpu", strict=True)
        seen = Seen()
        prepared.strategy.plugins.append(seen)
        self.runs += 1
        out = self.folder / f"run{self.runs}"
        results = simulate(prepared, out=out).to_dict()
        return Ran(seen, json.loads(json.dumps(results)), _draws(prepared.strategy), prepared.stream, out)


def untimed(content: Any) -> Any:
    """Without what a clock or a meter said, and without how and when the run was called."""
    if isinstance(content, dict):
        # Hashes of files with times in them are others each time, too.
        told = {key: untimed(value) for key, value in content.items() if key not in ("started", "command", "files")}
        return {key: value for key, value in told.items() if "seconds" not in key and key != "peak_memory_bytes"}
    return [untimed(item) for item in content] if isinstance(content, list) else content


def files(folder: Path) -> dict[str, object]:
    """Every file of a run directory by its name: bytes, or what is left of a JSON file without times.

    The report only repeats what stands in the others, times included.
    """
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "report.html"]
    return {str(path.relative_to(folder)): _content(path) for path in found}


def alike(these: dict[str, Tensor], those: dict[str, Tensor]) -> bool:
    """Whether all weights are equal, bit by bit."""
    return these.keys() == those.keys() and all(torch.equal(these[name], those[name]) for name in these)


def same_batches(these: list[tuple[Tensor, Tensor]], those: list[tuple[Tensor, Tensor]]) -> bool:
    """Whether both are the same images, augmented alike, in the same batches and order."""
    steps = zip(these, those, strict=True)
    return all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in steps)


def _content(path: Path) -> object:
    if path.name.startswith("session") and path.suffix == ".json":  # a checkpoint, which knows the times so far
        return untimed(_readable(json.loads(path.read_text())["state"]))
    if path.suffix == ".json":
        return untimed(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [untimed(json.loads(line)) for line in path.read_text().splitlines()]
    return path.read_bytes()


def _readable(packed: Any) -> Any:
    """A checkpoint's state with dicts as such."""
    if isinstance(packed, dict):
        if "dict" in packed:
            return {str(key): _readable(value) for key, value in packed["dict"]}
        return {key: _readable(value) for key, value in packed.items()}
    return [_readable(item) for item in packed] if isinstance(packed, list) else packed


def _draws(strategy: Strategy) -> list[int]:
    held = [value for holder in (strategy, *strategy.plugins) for value in vars(holder).values()]
    own = [value for value in held if isinstance(value, torch.Generator)]
    torches = [int(torch.randint(2**31, (1,), generator=generator)) for generator in (None, *own)]
    return [*torches, random.getrandbits(31), int(np.random.randint(2**31))]


def _copy(strategy: Strategy) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in strategy.model.state_dict().items()}
