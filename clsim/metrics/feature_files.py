"""Stored features of every version: a matrix can be computed again from them, without a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from clsim.metrics.functional.criteria import Criterion, Kept
from clsim.utils.errors import UserError
from clsim.utils.files import save_tensors

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
    """Class ids of query and gallery, ``(Q,)`` and ``(N,)``, and whether the two are the same images.

    Where they are not, ``own`` holds the gallery items that each query is, ``(Q, M)``, negative for none; ``None``
    where no query is in the gallery.
    """

    query: Tensor
    gallery: Tensor
    same_images: bool
    info: dict[str, str]
    own: Tensor | None = None


class FeatureFiles:
    """A folder with one ``version<t>.safetensors`` for each version and one ``labels.safetensors`` for all.

    Every file is written whole or not at all. Where the same images are query and gallery, they are stored once.
    Tensors are read through memory maps: a page of a file costs memory when it is looked at, not before.

    Args:
        folder: made when the first file is written.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save_labels(
        self,
        query: Tensor,
        gallery: Tensor | None,
        info: Mapping[str, str] | None = None,
        own: Tensor | None = None,
    ) -> None:
        """Writes the labels, or makes sure that those already there are the same.

        Args:
            query: class ids ``(Q,)``.
            gallery: class ids ``(N,)``; ``None`` where the same images are query and gallery.
            info: facts about the images, such as their hashes; compared as well.
            own: Gallery items that each query is, ``(Q, M)``; ``None`` where no query is in the gallery.

        Raises:
            UserError: the folder holds features of other images.

        """
        tensors = {"query": query} if gallery is None else {"query": query, "gallery": gallery}
        tensors |= {} if own is None else {"own": own}
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

    def load(self, version: int, labels: PairLabels | None = None) -> VersionFeatures:
        """The features of a version, memory-mapped, on the CPU.

        Args:
            version: its number.
            labels: of the same images; that there are as many is made sure of.

        Raises:
            UserError: the file is missing or damaged, or does not fit the labels.

        """
        path = self._path(version)
        tensors, info = _read(path)
        features = VersionFeatures(*_sides(tensors, path), info)
        for side, rows in (("query", features.query), ("gallery", features.gallery)):
            if rows.ndim != 2 or not rows.is_floating_point() or 0 in rows.shape:
                what = f"{rows.dtype} {list(rows.shape)}, not rows of numbers"
                raise UserError(f"this file of stored features is damaged: its {side} is {what}", where=str(path))
            known = len(rows) if labels is None else len(getattr(labels, side))
            if known != len(rows):
                what = f"holds {len(rows)} features of the {side} and {_LABELS} {known} labels"
                raise UserError(f"this file of stored features {what}", where=str(path))
        for side, rows in (("query", features.query), ("gallery", features.gallery)):
            if not bool(rows.isfinite().all()):
                what = f"its {side} holds NaN or infinite numbers"
                raise UserError(f"this file of stored features is damaged: {what}", where=str(path))
        if features.query.shape[1] != features.gallery.shape[1]:
            what = "query and gallery differ in width"
            raise UserError(f"this file of stored features is damaged: {what}", where=str(path))
        return features

    def load_labels(self) -> PairLabels:
        """The labels.

        Raises:
            UserError: the file is missing or damaged.

        """
        path = self.folder / _LABELS
        tensors, info = _read(path)
        own = tensors.get("own")
        labels = PairLabels(*_sides(tensors, path), "gallery" not in tensors, info, own)
        for side in (labels.query, labels.gallery):
            if side.ndim != 1 or side.dtype != torch.int64 or not len(side):
                what = f"{side.dtype} {list(side.shape)}, not class ids"
                raise UserError(f"this file of stored features is damaged: it holds {what}", where=str(path))
        if own is not None and not _is_own(own, len(labels.query), len(labels.gallery)):
            what = f"{own.dtype} {list(own.shape)}, not gallery items of each query"
            raise UserError(f"this file of stored features is damaged: it holds {what}", where=str(path))
        return labels

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
        save_tensors(path, tensors, dict(info or {}))


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
        features = files.load(version, labels)
        kept.append(rule.keep(features.gallery, labels.gallery, labels.own))
        row, _ = rule.row(features.query, labels.query, kept, labels.own)
        matrix.append(row)
    return matrix


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError as error:
        raise UserError("this file of stored features is missing", where=str(path)) from error
    except OSError as error:
        raise UserError(f"this file of stored features cannot be read: {error}", where=str(path)) from error
    # A header that was tampered with ends in one or another of these, by what it says of its tensors.
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise UserError(f"this file of stored features is damaged: {error}", where=str(path)) from error


def _sides(tensors: Mapping[str, Tensor], path: Path) -> tuple[Tensor, Tensor]:
    """Query and gallery, one object where the same images are both."""
    if "query" not in tensors:
        raise UserError("this file of stored features is damaged: it has no query", where=str(path))
    return tensors["query"], tensors.get("gallery", tensors["query"])


def _is_own(own: Tensor, queries: int, items: int) -> bool:
    whole = own.dtype == torch.int64 and own.ndim == 2 and len(own) == queries and own.numel() > 0
    return whole and int(own.min()) >= -1 and int(own.max()) < items


def _equal(these: Mapping[str, Tensor], those: Mapping[str, Tensor]) -> bool:
    return these.keys() == those.keys() and all(bool(these[name].equal(those[name].cpu())) for name in these)
