"""What trackers have of a run, read back from their files by their own libraries, in one shape for all."""

from __future__ import annotations

import json
import os
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

KINDS = ("tensorboard", "wandb", "mlflow")
TRAINING = ("loss", "images_per_second")
"""Names by iteration; all others go by session."""


class Tracked(NamedTuple):
    """A run as a tracker has it.

    Attributes:
        figures: by name, every point in the order in which it came: step and value.
        summary: by name.
        parameters: by name, as texts.
        status: how the run ended.
        state: how the tracker itself words that; ``None`` where it has no words for it.
        files: contents of the artefacts by name.
        runs: how many runs the tracker has.

    """

    figures: dict[str, list[tuple[int, float]]]
    summary: dict[str, float]
    parameters: dict[str, str]
    status: str | None
    state: Any
    files: dict[str, str]
    runs: int

    def values(self, session: int) -> dict[str, float]:
        """The figures of a session; each has exactly one point there."""
        found = {}
        for name, points in self.figures.items():
            if name not in TRAINING:
                there = [value for step, value in points if step == session]
                assert len(there) <= 1, name
                found |= dict.fromkeys([name] if there else [], *there)
        return found


def read(kind: str, out: Path, mlruns: Path) -> Tracked:
    """What the tracker of that kind has of the run in `out`; of MLflow the one run in `mlruns`."""
    return {"tensorboard": tensorboard, "wandb": wandb}[kind](out) if kind != "mlflow" else mlflow(mlruns)


def tensorboard(out: Path) -> Tracked:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    folder = out / "tensorboard"
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    scalars = {name: [(each.step, each.value) for each in events.Scalars(name)] for name in tags["scalars"]}
    text = events.Tensors("parameters/text_summary")[0].tensor_proto.string_val[0].decode()
    status = None
    if "status/text_summary" in tags["tensors"]:
        status = events.Tensors("status/text_summary")[-1].tensor_proto.string_val[0].decode()
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    shown = HParamsPluginData.FromString(content).session_start_info.hparams
    parameters = json.loads(text)
    assert {key for key, value in parameters.items() if value is not None} == set(shown)
    ended = "_hparams_/session_end_info" in events.summary_metadata
    return Tracked(
        {name: points for name, points in scalars.items() if not name.startswith("summary/")},
        {name: points[-1][1] for name, points in scalars.items() if name.startswith("summary/")},
        {key: str(value) for key, value in parameters.items()},
        status,
        ended,
        {},
        len({path.parent for path in folder.rglob("events*")}),
    )


def wandb(out: Path) -> Tracked:
    from wandb import teardown

    teardown()  # until then another process may be writing
    figures: dict[str, list[tuple[int, float]]] = defaultdict(list)
    summary: dict[str, Any] = {}
    parameters: dict[str, str] = {}
    files: dict[str, str] = {}
    ids, state = set(), None
    for folder in sorted((out / "wandb").glob("offline-run-*")):
        (path,) = folder.glob("run-*.wandb")
        for record in _wandb_records(path.read_bytes()):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                ids.add(record.run.run_id)
                parameters |= {item.key: str(json.loads(item.value_json)) for item in record.run.config.update}
            elif kind == "history":
                row = {
                    "/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item
                }
                step = row["session"] if "session" in row else row["iteration"]
                for name in row.keys() - {"session", "iteration"}:
                    if not name.startswith("_"):
                        figures[name].append((step, row[name]))
            elif kind == "summary":
                summary |= {
                    item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.summary.update
                }
            elif kind == "exit":
                state = record.exit.exit_code
        files |= {path.name: path.read_text() for path in (folder / "files").iterdir()}
    assert not any(path.is_symlink() for path in (out / "wandb").glob("offline-run-*/files/*"))
    parameters.pop("_wandb", None)
    return Tracked(
        dict(figures),
        {name: value for name, value in summary.items() if name.startswith("summary/")},
        parameters,
        summary.get("status"),
        state,
        files,
        len(ids),
    )


def _wandb_records(content: bytes) -> Iterator[Any]:
    """The messages in a W&B file: its own protocol buffers in a log of blocks, as LevelDB's are."""
    from wandb.proto.wandb_internal_pb2 import Record

    assert content.startswith(b":W&B")
    held, at, block = b"", 7, 1 << 15
    while at + 7 <= len(content):
        if block - at % block < 7:
            at += block - at % block
            continue
        _, size, part = struct.unpack("<IHB", content[at : at + 7])
        held, at = held + content[at + 7 : at + 7 + size], at + 7 + size
        if part in (1, 4):  # whole, or the last part
            yield Record.FromString(held)
            held = b""


def mlflow(mlruns: Path) -> Tracked:
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=mlruns.absolute().as_uri())
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    run = runs[0]
    history = {
        name: [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }
    (place,) = mlruns.glob(f"*/{run.info.run_id}/artifacts")
    return Tracked(
        {name: points for name, points in history.items() if not name.startswith("summary/")},
        {name: points[-1][1] for name, points in history.items() if name.startswith("summary/")},
        dict(run.data.params),
        run.data.tags.get("status"),
        run.info.status,
        {path.name: path.read_text() for path in place.iterdir()},
        len(runs),
    )
