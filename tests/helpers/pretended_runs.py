"""Small runs of every strategy on a pretended GPU; as a script, one of the processes that ``torchrun`` starts.

Script: folder of the runs, name of the case, folder of the run, and its fate: ``whole``, ``stop`` or ``resume``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import yaml
from torch import Tensor

from clsim.experiment import resolve
from clsim.experiment.events import Event
from helpers.pretended_cuda import pretended
from helpers.seeded import COMPARED, SCENARIOS, TRAINED
from helpers.tiny import save_tiny_clip, tiny_captions, tiny_dataset

FEW_SHOT = {"backbone": "resnet8x2", "epochs": 2, "base_epochs": 1, "batch_size": 3, "base_batch_size": 16}
PROMPTED = {"pretrained": "{folder}/small.safetensors", "depth": 2, "epochs": 6, "base_epochs": 4}
UPGRADED = {**TRAINED, "image_size": 8, "dimensions": 6, "epochs": 2}
STEERED = {"hidden": 4, "text_steps": 3, "rank": 1, "prompt_tokens": 1, "batch_size": 4, "epochs": 2}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "cpe_clip": ("few", "cpe_clip", {**PROMPTED, "batch_size": 3, "base_batch_size": 16}),
    "zero_shot": ("few", "zero_shot", {"pretrained": PROMPTED["pretrained"]}),
    "fine_tune": ("few", "fine_tune", FEW_SHOT),
    "lwf": ("few", "lwf", FEW_SHOT),
    "feature_distillation": ("few", "feature_distillation", FEW_SHOT),
    "stationary": ("fscil", "stationary", {}),
    "stationary replaced": ("replacement", "stationary", {**TRAINED, "vertices": 12, "memory": 4, "distillation": 1.0}),
    "replay": ("replacement", "replay", {"distillation": 1.0}),
    "oca": ("upgrade", "oca", {**UPGRADED, "added": 2}),
    "bct": ("upgrade", "bct", UPGRADED),
    "independent": ("upgrade", "independent", UPGRADED),
    "procrustes": ("upgrade", "procrustes", UPGRADED),
    "xbt": ("text", "xbt", STEERED),
    "clip_procrustes": ("text", "clip_procrustes", {"paired": True, "share": 0.5}),
    "clip_independent": ("text", "clip_independent", {}),
    "ncm": ("heads", "ncm", {"backbone": "frozen"}),
    "teen": ("heads", "teen", {"backbone": "frozen"}),
    "fecam": ("heads", "fecam", {"backbone": "frozen", "rank": 4}),
    "ranpac": ("heads", "ranpac", {"backbone": "frozen", "dimensions": 32}),
    "joint": ("heads", "joint", {"backbone": "frozen", "iterations": 3}),
    "tip_adapter": ("few", "tip_adapter", {"pretrained": PROMPTED["pretrained"]}),
    "bimc": ("few", "bimc", {"pretrained": PROMPTED["pretrained"]}),
}
"""By name: kind of scenario, strategy, and its settings."""
FEW = {**SCENARIOS["fscil"]["stream"], "splits": {"draw": 1}}
OWN: dict[str, dict[str, Any]] = {
    "fscil": {**SCENARIOS["fscil"], "stream": FEW},
    "few": {"stream": FEW},
    "heads": {
        "stream": FEW,
        "models": {"frozen": {"kind": "timm", "name": "test_resnet", "weights": "none", "image_size": 16}},
    },
    "upgrade": {
        "stream": {"kind": "upgrade", "dataset": "cifar10", "classes": [5, 10], "images_per_class": 8},
        "evaluation": {"compatibility": COMPARED},
    },
    "text": {
        "stream": {"kind": "text_upgrade", "dataset": "flickr8k", "load": ["small", "large"]},
        "models": {
            name: {"kind": "checkpoint", "path": f"{{folder}}/{name}.safetensors"} for name in ("small", "large")
        },
        "evaluation": {"compatibility": {"images": "stream", "criterion": "recall@1"}},
    },
}
EVERY = 3
"""Iterations between two checkpoints."""

Batch = tuple[Tensor, Tensor]
"""Images as they were augmented, and class ids."""


class Stopped(Exception):
    """A run ended amid a session, right behind a checkpoint."""


class Runs:
    """Runs of the cases.

    Args:
        folder: place of the models and the runs.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "small.safetensors").exists():
            save_tiny_clip(folder / "small.safetensors")
            save_tiny_clip(folder / "large.safetensors", embed_dim=20, seed=1)
            for case in CASES:  # their names are those of the scenarios, and part of the results
                (folder / f"{case}.yaml").write_text(yaml.safe_dump(self.scenario(case)))

    def scenario(self, case: str) -> dict[str, Any]:
        """Return the scenario of a case; with a checkpoint every few iterations."""
        kind, strategy, settings = CASES[case]
        described = {**SCENARIOS, **OWN}[kind]
        settings = {**described.get("strategies", {}).get(strategy, {}), **settings}
        own = {"strategy": strategy, "strategies": {strategy: settings}, "checkpoints": {"iterations": EVERY}}
        told = json.dumps({**described, **own}).replace("{folder}", str(self.folder))
        return json.loads(told)  # type: ignore[no-any-return]

    def run(self, case: str, out: str, precision: str = "fp32", *, device: str = "cuda", **how: Any) -> list[Batch]:
        """Run a case into a folder; return the batches that it was trained on, augmented."""
        from clsim.experiment.build import prepare
        from clsim.experiment.runner import simulate
        from clsim.utils import distributed

        with tiny_data():
            place = distributed.init(device)
            prepared = prepare(
                self.folder / f"{case}.yaml", None, {"strategy.precision": precision}, None, place, strict=True
            )
        batches: list[Batch] = []
        strategy, forward = prepared.strategy, prepared.strategy.forward

        def watched() -> Any:  # no plugin, which would be part of the run and of its checkpoints
            if strategy.is_training:
                batches.append((strategy.mbatch[0].clone(), strategy.mbatch[1].clone()))
            return forward()

        strategy.forward = watched  # type: ignore[method-assign]
        simulate(prepared, out=self.folder / out, listeners=[Silent()], **how)
        return batches

    def stop(self, case: str, out: str, *, session: int = 1, **how: Any) -> None:
        """Run a case until the first checkpoint amid a session, and no further."""
        from clsim.experiment.checkpoint.checkpointer import WITHIN, Checkpointer

        save = Checkpointer._save

        def stop(keeper: Checkpointer, moment: Any, state: Any) -> None:
            save(keeper, moment, state)
            if (moment.session, moment.kind) == (session, WITHIN):
                raise Stopped

        with mock.patch.object(Checkpointer, "_save", stop):
            try:
                self.run(case, out, **how)
            except Stopped:
                return
        raise AssertionError(f"{case} never came to a checkpoint amid session {session}")


class Silent:
    """A listener that ignores all events; with one there, progress is reported."""

    def on_event(self, event: Event) -> None:
        """Ignore the event."""


@contextmanager
def tiny_data() -> Iterator[None]:
    """A region in which every data set is a tiny one."""
    load = mock.patch.object(resolve, "load_dataset", lambda name, **size: tiny_dataset())
    with load, mock.patch.object(resolve, "load_captions", lambda name, **size: tiny_captions()):
        yield


def main(folder: str, case: str, out: str, fate: str) -> None:
    """Run a case as one of several processes, each with a GPU of its own; write a hash of each of its batches."""
    from clsim.utils import distributed

    runs, digests = Runs(Path(folder)), list[str]()
    with pretended(gpus=2):
        if fate == "stop":
            runs.stop(case, out)
        else:
            batches = runs.run(case, out, resume=fate == "resume")
            digests = [hashlib.sha256(b"".join(map(_bytes, batch))).hexdigest() for batch in batches]
    rank = torch.distributed.get_rank()
    Path(folder, f"{out}-{fate}-{rank}.json").write_text(json.dumps(digests))
    distributed.shutdown()


def _bytes(tensor: Tensor) -> bytes:
    return bytes(tensor.cpu().contiguous().numpy().data)


if __name__ == "__main__":
    main(*sys.argv[1:])
