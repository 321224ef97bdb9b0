"""Stored features of every version: a matrix can be computed again from them, without a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from clsim.errors import UserError
from clsim.files import atomic, save_tensors
from clsim.metrics.criteria import Criterion, Kept

_LABELS = "labels.safetensors"
_VERSION = re.compile(r"version(\d+)\.safetensors")


@dataclass(frozen=True)
class VersionFeatures:
    """What one version made of the images: rows of length 1 rounded to float16, ``(Q, D)`` and ``(N, D)``."""

    query: Tensor
    gallery: Tensor
    info: dict[str, str]


@dataclass(frozen=True)
class PairLabels:
    """Class ids of query and gallery, ``(Q,)`` and ``(N,)``, and whether the two are the same images."""

    query: Tensor
    gallery: Tensor
    same_images: bool


class FeatureFiles:
    """A folder with one ``version<t>.safetensors`` for each version and one ``labels.safetensors`` for all.

    Every file is written whole or not at all. Where the same images are query and gallery, they are stored once.
    Tensors are read through memory maps: a page of a file costs memory when it is looked at, not before.

    Args:
        folder: made when the first file is written.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save_labels(self, query: Tensor, gallery: Tensor | None, info: Mapping[str, str] | None = None) -> None:
        """Writes the labels, or makes sure that those already there are the same.

        Args:
            query: class ids ``(Q,)``.
            gallery: class ids ``(N,)``; ``None`` where the same images are query and gallery.
            info: facts about the images, such as their hashes; compared as well.

        Raises:
            UserError: the folder holds features of other images.

        """
        tensors = {"query": query} if gallery is None else {"query": query, "gallery": gallery}
        path = self.folder / _LABELS
        if path.exists():
            present, facts = _read(path)
            if facts != dict(info or {}) or not _equal(present, tensors):
                remedy = "choose another folder, or remove those features"
                raise UserError("this folder holds features of other images", where=str(path), fix=remedy)
            return
        self._write(path, tensors, info)

    def save(self, version: int, query: Tensor, gallery: Tensor | None, info: Mapping[str, str] | None = None) -> None:
        """Writes the features of a version, in place of any that are there.

        Args:
            version: its number, from 0.
            query: ``(Q, D)``, float16.
            gallery: ``(N, D)``, float16; ``None`` where the same images are query and gallery.
            info: facts about the version, kept in the file's header.

        """
        tensors = {"query": query} if gallery is None else {"query": query, "gallery": gallery}
        self._write(self._path(version), tensors, info)

    def load(self, version: int) -> VersionFeatures:
        """The features of a version, memory-mapped, on the CPU.

        Raises:
            UserError: the file is missing or damaged.

        """
        tensors, info = _read(self._path(version))
        return VersionFeatures(tensors["query"], tensors.get("gallery", tensors["query"]), info)

    def load_labels(self) -> PairLabels:
        """The labels.

        Raises:
            UserError: the file is missing or damaged.

        """
        tensors, _ = _read(self.folder / _LABELS)
        return PairLabels(tensors["query"], tensors.get("gallery", tensors["query"]), "gallery" not in tensors)

    def versions(self) -> int:
        """Number of versions there are.

        Raises:
            UserError: one in between is missing.

        """
        files = self.folder.glob("version*.safetensors")
        found = sorted(int(match[1]) for file in files if (match := _VERSION.fullmatch(file.name)))
        for expected, number in enumerate(found):
            if number != expected:
                raise UserError(f"the features of version {expected} are missing", where=str(self.folder))
        return len(found)

    def _path(self, version: int) -> Path:
        return self.folder / f"version{version}.safetensors"

    def _write(self, path: Path, tensors: Mapping[str, Tensor], info: Mapping[str, str] | None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic(path) as temporary:
            save_tensors(temporary, {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, info or {})


def recompute_matrix(
    folder: Path, criterion: str = "nearest_class_mean", *, truncate: bool = False
) -> list[list[float]]:
    """Cross-test matrix of stored features; the run's own where the criterion is the run's.

    Args:
        folder: of :class:`FeatureFiles`.
        criterion: ``nearest_class_mean``, ``cmc@K`` or ``map``.
        truncate: compare features of different widths by as many of their first numbers as the narrower one has.

    Returns:
        Lower-triangular rows: ``C[i][j]`` with the query by version ``i`` and the gallery by version ``j <= i``.

    Raises:
        UserError: files are missing or damaged.
        ValueError: the criterion is unknown, or does not suit images that are query and gallery at once.

    """
    files, matrix, kept = FeatureFiles(folder), list[list[float]](), list[Kept]()
    labels = files.load_labels()
    rule = Criterion.parse(criterion, exclude_self=labels.same_images, truncate=truncate)
    for version in range(files.versions()):
        features = files.load(version)
        kept.append(rule.keep(features.gallery, labels.gallery))
        row, _ = rule.row(features.query, labels.query, kept)
        matrix.append(row)
    return matrix


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError as error:
        raise UserError("this file of stored features is missing", where=str(path)) from error
    except SafetensorError as error:
        raise UserError(f"this file of stored features is damaged: {error}", where=str(path)) from error


def _equal(these: Mapping[str, Tensor], those: Mapping[str, Tensor]) -> bool:
    return these.keys() == those.keys() and all(bool(these[name].equal(those[name].cpu())) for name in these)
