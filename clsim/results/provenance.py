"""Hashes of the sources of a run's figures: data, split lists, weights and code.

A run writes them into its manifest; ``clsim verify`` computes them again. Imports torch only to compute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clsim.config.models.recipe import CheckpointModel, ClassifierRecipe, ClipRecipe, TimmModel
from clsim.config.scenario import Scenario
from clsim.config.signatures import read_signature
from clsim.data.datasets.split_hashes import SHA256
from clsim.streams.settings import FscilStream
from clsim.utils.errors import WeightsMissing
from clsim.utils.files import from_home

if TYPE_CHECKING:
    from torch import Tensor

    from clsim.data import CaptionDataSet, DataSet, Images
    from clsim.streams.protocols import StreamLike

CLSIM = Path(__file__).resolve().parents[1]
WEIGHTS_FILE, PRETRAINED_FILE = "weights file ", "weights file of the strategy"
"""Keys of weight files: prefix for a named model, and the file that a strategy names by its path."""
STRATEGY_IMPORT = "strategy import "
"""Prefix for a module of the user that the strategy file imports."""


def metric_import(name: str) -> str:
    """Return the prefix for a module of the user that a metric's file imports."""
    return f"metric {name} import "


def source_sha256(folder: Path = CLSIM) -> str:
    """Return the hash of clsim's Python files, names and bytes; equal in a checkout and in an installed wheel."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder)
        if name.parts[0] == "_builtin":  # user files: packed here in a wheel, elsewhere in a checkout
            continue
        content = path.read_bytes()
        digest.update(f"{name.as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def data_hashes(dataset: DataSet | CaptionDataSet, compared: tuple[Images, Images] | None = None) -> dict[str, str]:
    """Return the hashes of training and test images, of their captions, and of query and gallery images."""
    hashes = {"train images": dataset.train.sha256, "test images": dataset.test.sha256}
    for part, images in (("train", dataset.train), ("test", dataset.test)):
        if (captions := getattr(images, "captions", None)) is not None:
            hashes[f"{part} captions"] = hashlib.sha256(json.dumps(captions).encode()).hexdigest()
    if compared is not None:
        hashes |= {"query images": compared[0].sha256, "gallery images": compared[1].sha256}
    return hashes


def split_sha256(class_blocks: Sequence[Sequence[int]], sessions: Iterable[Tensor]) -> str:
    """Return the hash of the order of classes and the training images of every session.

    Args:
        class_blocks: New classes of each session; empty for images with captions.
        sessions: Positions of each session's images in the training part.

    """
    digest = hashlib.sha256(json.dumps([[int(label) for label in block] for block in class_blocks]).encode())
    for indices in sessions:
        digest.update(f"{len(indices)}:".encode())
        digest.update(indices.cpu().contiguous().numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def stream_split_sha256(stream: StreamLike) -> str:
    """Return :func:`split_sha256` of a stream."""
    views = [session.resident for session in stream.train_stream]
    return split_sha256(stream.class_blocks, [view.indices for view in views])


def standard_lists(scenario: Scenario) -> dict[str, str]:
    """Return the pinned hashes of the standard index lists of a stream, by file; empty if it uses none."""
    described = scenario.stream
    if not isinstance(described, FscilStream) or described.splits != "standard":
        return {}
    known = SHA256.get(described.dataset, {})
    return {f"{described.dataset}/{name}": sha for name, sha in known.items() if name.startswith("session_")}


def weights_files(scenario: Scenario, names: Iterable[str]) -> dict[str, Path]:
    """Return the weight files of the named models and of the strategy, by their key in the manifest.

    Files in a library's cache are left out; the hash of their weights identifies them.
    """
    settings = scenario.settings
    pretrained = settings.get("pretrained")
    frozen = [settings[key] for key in read_signature(scenario.selected_strategy.path).models]
    names = [*names, *(name for name in frozen if name in scenario.models)]
    files = {f"{WEIGHTS_FILE}{name}": weights_file(scenario, name) for name in names}
    if isinstance(pretrained, str):
        if pretrained in scenario.models:
            files[f"{WEIGHTS_FILE}{pretrained}"] = weights_file(scenario, pretrained)
        else:
            files[PRETRAINED_FILE] = from_home(pretrained, "strategy.pretrained")
    return {key: path for key, path in files.items() if path is not None and path.is_file()}


def weights_file(scenario: Scenario, name: str) -> Path | None:
    """Return the weight file of a named model of the scenario; ``None`` if there is none. Nothing is trained.

    Raises:
        UserError: The file is altered.
    """
    recipe = scenario.models.get(name)
    if isinstance(recipe, CheckpointModel):
        return from_home(recipe.path, f"models.{name}.path")
    if isinstance(recipe, TimmModel):
        return _timm_weights(name, recipe)
    from clsim.pretraining.store import find_model

    if isinstance(recipe, ClassifierRecipe):
        settings = scenario.settings
        recipe = recipe.with_head("simplex" if settings.get("head") == "simplex" else "learnable")
    if not isinstance(recipe, ClassifierRecipe | ClipRecipe):
        return None
    return find_model(recipe)


def _timm_weights(name: str, recipe: TimmModel) -> Path | None:
    if recipe.weights in ("hub", "none"):
        return None
    if recipe.weights != "registry":
        return from_home(recipe.weights, f"models.{name}.weights")
    from clsim.models.pretrained import PACKAGED

    try:
        return PACKAGED[recipe.name].path(recipe.name) if recipe.name in PACKAGED else None
    except WeightsMissing:
        return None
