"""Feature files of all versions, from which a cross-test matrix can be recomputed without a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from clsim.metrics.functional.criteria import Criterion, StoredGallery
from clsim.utils.errors import UserError
from clsim.utils.files import save_tensors

_LABELS = "labels.safetensors"
_VERSION = re.compile(r"version(\d+)\.safetensors")


@dataclass(frozen=True)
class VersionFeatures:
    """Features of one version: unit rows rounded to float16.

    Attributes:
        query: Query features, ``(Q, D)``.
        gallery: Gallery features, ``(N, D)``.
        info: Facts about the version from the file's header.

    """

    query: Tensor
    gallery: Tensor
    info: dict[str, str]


@dataclass(frozen=True)
class PairLabels:
    """Class ids of query and gallery images.

    Attributes:
        query: Class ids of the queries, ``(Q,)``.
        gallery: Class ids of the gallery, ``(N,)``.
        same_images: Whether query and gallery are the same images.
        info: Facts about the images, such as their hashes.
        self_items: Gallery items that each query is if the sets differ, ``(Q, M)``, negative for none; ``None`` if no
            query is in the gallery.

    """

    query: Tensor
    gallery: Tensor
    same_images: bool
    info: dict[str, str]
    self_items: Tensor | None = None


class FeatureFiles:
    """Folder with one ``version<t>.safetensors`` per version and one ``labels.safetensors`` for all.

    Files are written atomically. If query and gallery are the same images, they are stored once. Tensors are
    memory-mapped: a page of a file takes memory only when it is read.

    Args:
        folder: Folder, created when the first file is written.

    Example:
        >>> from tempfile import mkdtemp
        >>> files = FeatureFiles(Path(mkdtemp()))
        >>> files.save(0, query=torch.eye(2).half(), gallery=None)
        >>> files.versions(), files.load(0).gallery.shape
        (1, torch.Size([2, 2]))

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save_labels(
        self,
        query: Tensor,
        gallery: Tensor | None,
        info: Mapping[str, str] | None = None,
        self_items: Tensor | None = None,
    ) -> None:
        """Write the labels, or check that the present file holds the same.

        Args:
            query: Class ids of the queries, ``(Q,)``.
            gallery: Class ids of the gallery, ``(N,)``; ``None`` if query and gallery are the same images.
            info: Facts about the images, such as their hashes, which are compared too.
            self_items: Gallery items that each query is, ``(Q, M)``; ``None`` if no query is in the gallery.

        Raises:
            UserError: The folder holds features of other images.

        """
        tensors = {"query": query} if gallery is None else {"query": query, "gallery": gallery}
        tensors |= {} if self_items is None else {"own": self_items}
        path = self.folder / _LABELS
        if path.exists():
            present, facts = _read(path)
            if facts != dict(info or {}) or not _equal(present, tensors):
                remedy = "choose another folder, or delete these features"
                raise UserError("this folder holds features of other images", where=str(path), fix=remedy)
            return
        self._write(path, tensors, info)

    def save(self, version: int, query: Tensor, gallery: Tensor | None, info: Mapping[str, str] | None = None) -> None:
        """Write the features of a version; overwrites an existing file.

        Args:
            version: Number of the version, from 0.
            query: Query features, ``(Q, D)`` float16.
            gallery: Gallery features, ``(N, D)`` float16; ``None`` if query and gallery are the same images.
            info: Facts about the version for the file's header.

        """
        tensors = {"query": query} if gallery is None else {"query": query, "gallery": gallery}
        self._write(self._path(version), tensors, info)

    def load(self, version: int, labels: PairLabels | None = None) -> VersionFeatures:
        """Load the features of a version, memory-mapped, on the CPU.

        Args:
            version: Number of the version.
            labels: Labels of the images; if given, their number is checked.

        Raises:
            UserError: The file is missing or damaged, or does not match the labels.

        """
        path = self._path(version)
        tensors, info = _read(path)
        features = VersionFeatures(*_sides(tensors, path), info)
        for side, rows in (("query", features.query), ("gallery", features.gallery)):
            if rows.ndim != 2 or not rows.is_floating_point() or 0 in rows.shape:
                raise _damaged(path, f"expected rows of numbers for the {side}, got {rows.dtype} {list(rows.shape)}")
            if not bool(rows.isfinite().all()):
                raise _damaged(path, f"the {side} holds NaN or infinite numbers")
        if features.query.shape[1] != features.gallery.shape[1]:
            raise _damaged(path, "query and gallery differ in width")
        if labels is not None:
            _check_count(path, "query", features.query, labels.query)
            _check_count(path, "gallery", features.gallery, labels.gallery)
        return features

    def load_labels(self) -> PairLabels:
        """Load the labels.

        Raises:
            UserError: The file is missing or damaged.

        """
        path = self.folder / _LABELS
        tensors, info = _read(path)
        self_items = tensors.get("own")
        labels = PairLabels(*_sides(tensors, path), "gallery" not in tensors, info, self_items)
        for side in (labels.query, labels.gallery):
            if side.ndim != 1 or side.dtype != torch.int64 or not len(side):
                raise _damaged(path, f"expected class ids, got {side.dtype} {list(side.shape)}")
        if self_items is not None and not _are_items(self_items, len(labels.query), len(labels.gallery)):
            what = f"{self_items.dtype} {list(self_items.shape)}"
            raise _damaged(path, f"expected gallery items of each query, got {what}")
        return labels

    def versions(self) -> int:
        """Return the number of stored versions.

        Raises:
            UserError: A version before the last is missing.

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
    """Return the cross-test matrix of stored features, equal to that of the run for the same criterion.

    Args:
        folder: Folder of :class:`FeatureFiles`.
        criterion: Criterion, see :class:`~clsim.metrics.functional.criteria.Criterion`.
        truncate: Whether features of different widths are compared by the leading numbers of the wider one.

    Returns:
        Lower-triangular rows: ``C[i][j]`` with queries by version ``i`` and the gallery by version ``j <= i``.

    Raises:
        UserError: A file is missing or damaged.
        ValueError: The criterion is unknown, or cannot exclude self-matches.

    Example:
        >>> from tempfile import mkdtemp
        >>> files = FeatureFiles(Path(mkdtemp()))
        >>> files.save_labels(torch.tensor([0, 1]), torch.tensor([0, 1]))
        >>> files.save(0, query=torch.eye(2).half(), gallery=torch.eye(2).half())
        >>> recompute_matrix(files.folder)
        [[1.0]]

    """
    files, matrix, galleries = FeatureFiles(folder), list[list[float]](), list[StoredGallery]()
    labels = files.load_labels()
    parsed = Criterion.parse(criterion, exclude_self=labels.same_images, truncate=truncate)
    for version in range(files.versions()):
        features = files.load(version, labels)
        galleries.append(parsed.store(features.gallery, labels.gallery, labels.self_items))
        row, _ = parsed.row(features.query, labels.query, galleries, labels.self_items)
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
    # safetensors raises any of these for a forged header.
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, what: str) -> UserError:
    return UserError(f"this file of stored features is damaged: {what}", where=str(path))


def _check_count(path: Path, side: str, rows: Tensor, labels: Tensor) -> None:
    if len(rows) != len(labels):
        what = f"holds {len(rows)} features of the {side}, but {_LABELS} holds {len(labels)} labels"
        raise UserError(f"this file of stored features {what}", where=str(path))


def _sides(tensors: Mapping[str, Tensor], path: Path) -> tuple[Tensor, Tensor]:
    """Return query and gallery: one object if they are the same images."""
    if "query" not in tensors:
        raise _damaged(path, "the query is missing")
    return tensors["query"], tensors.get("gallery", tensors["query"])


def _are_items(found: Tensor, queries: int, items: int) -> bool:
    valid = found.dtype == torch.int64 and found.ndim == 2 and len(found) == queries and found.numel() > 0
    return valid and int(found.min()) >= -1 and int(found.max()) < items


def _equal(these: Mapping[str, Tensor], those: Mapping[str, Tensor]) -> bool:
    return these.keys() == those.keys() and all(bool(these[name].equal(those[name].cpu())) for name in these)
