"""Cross-tests during a stream: queries by each version against the galleries of all earlier versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clsim.data.core.images import Images
from clsim.metrics.extraction import extract_features
from clsim.metrics.feature_files import FeatureFiles
from clsim.metrics.flip_tests import FlipTests
from clsim.metrics.functional.criteria import Criterion, StoredGallery
from clsim.metrics.identical import gallery_only_items, identical_items
from clsim.metrics.protocols import ModelOnDevice
from clsim.metrics.search_service import SearchService
from clsim.metrics.version_tests import VersionTests
from clsim.models.protocols import Embedder, frozen_backbone
from clsim.utils.device import device_time, precision_of

CONSTRAINT_QUERIES = 2000
"""Default number of queries for the constraints of compatibility."""


class CrossTests(VersionTests):
    """Cross-test matrix of model versions, for any Avalanche strategy.

    Each version makes one pass over query and gallery images, so a matrix of T versions costs 2T passes (T if both are
    the same images). :class:`~clsim.metrics.version_tests.VersionTests` defines versions and their evaluation.

    Features are scaled to length 1 and rounded to float16. All figures are computed from the rounded features, so
    :func:`~clsim.metrics.feature_files.recompute_matrix` reproduces them. Unless features are truncated, those of
    different widths cannot be compared, and the cross-test is 0.

    Of an earlier version only the gallery is needed. It stays in memory, or in ``folder`` if given; for
    ``nearest_class_mean`` only the class means are kept.

    Args:
        query: Query images.
        gallery: Gallery images over the same classes. A query that is also in the gallery, pixel by pixel, does not
            find itself, and its copies enter no class mean.
        criterion: Criterion of the matrix: ``nearest_class_mean`` (the published protocol), ``cmc@K``, ``map``,
            ``ndcg@K`` or ``r_precision``.
        also: Further criteria, whose rows are added to the record.
        truncate: Whether features of different widths are compared by the leading dimensions of the wider one.
        strict: Whether a cross-test must exceed the older self-test to count as compatible, or may equal it.
        batch_size: Number of images in a batch.
        folder: Folder for the features of all versions, 2 D bytes per image and version; ``None`` stores no files.
        service: Simulated search service that indexes each version.
        embed: Map from images in [0, 1], ``(B, 3, H, W)``, to features ``(B, D)``; default is the model's ``embed``.
            It must follow replacements of the model. Passes run in the strategy's ``precision``.
        constraint_queries: Maximum number of queries for the constraints of compatibility, which compare each query
            with the whole gallery. They are sampled evenly over the classes.

    Attributes:
        matrix: Lower-triangular rows. Row ``i`` holds the queries by version ``i`` in the galleries 0 to ``i``.
        passes: Number of passes over a set of images so far.
        note: Sentence about queries that are in the gallery; ``None`` if there are none or both are the same images.

    Raises:
        ValueError: The criterion is unknown or does not suit the images, a set is empty, or query and gallery name
            different classes.

    Example:
        >>> pixels = torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8)
        >>> images = Images(pixels, torch.tensor([0, 0, 1, 1]), ("cat", "dog"), "noise")
        >>> CrossTests(images, images, criterion="cmc@1").result()  # before the first version
        []

    """

    def __init__(
        self,
        query: Images,
        gallery: Images,
        *,
        criterion: str = "nearest_class_mean",
        also: Sequence[str] = (),
        truncate: bool = False,
        strict: bool = True,
        batch_size: int = 256,
        folder: Path | None = None,
        service: SearchService | None = None,
        embed: Callable[[Tensor], Tensor] | None = None,
        constraint_queries: int = CONSTRAINT_QUERIES,
    ) -> None:
        if not len(query) or not len(gallery):
            raise ValueError(f"cross-tests need images, got {len(query)} query and {len(gallery)} gallery images")
        if query.class_names != gallery.class_names:
            raise ValueError(f"query ({query.name}) and gallery ({gallery.name}) must name the same classes")
        self.query = query
        self.gallery = gallery
        self.same_images = _same(query, gallery)
        self.criterion = Criterion.parse(criterion, exclude_self=self.same_images, truncate=truncate)
        self.also = {name: Criterion.parse(name, exclude_self=self.same_images, truncate=truncate) for name in also}
        self.batch_size = batch_size
        self.embed = embed
        self._files = None if folder is None else FeatureFiles(folder)
        self.truncate = truncate
        self.constraint_queries = constraint_queries
        self.self_items = None if self.same_images else identical_items(query, gallery)
        self.note = None if self.self_items is None else self._note(self.self_items, service)
        super().__init__(strict=strict, service=service)

    def reset(self) -> None:
        """Discard all versions; the next one is version 0."""
        super().reset()
        self._galleries: dict[Criterion, list[StoredGallery]] = {}
        self._flip_tests = FlipTests(
            self.query.labels,
            self.gallery.labels,
            queries=self.constraint_queries,
            same_images=self.same_images,
            truncate=self.truncate,
            self_items=self.self_items,
        )
        if self.service is not None:
            self.service.open(
                self.query.labels, self.gallery.labels, same_images=self.same_images, self_items=self.self_items
            )

    def record(self) -> dict[str, Any] | None:
        """Return the ``compatibility`` record of the last version; ``None`` before the first.

        - ``self_test``, ``cross_tests``: Its row of the matrix.
        - ``also``: Its row by each further criterion.
        - ``ac``, ``am``, ``against_first``, ``backward_compatibility``: Metrics of the matrix so far.
        - ``negative_flip_rate``, ``positive_flip_rate``: Queries that the previous version got right in its gallery and
          this one gets wrong there, and the reverse; at rank 1 but for ``nearest_class_mean``.
        - ``relative_negative_flip_rate``: The former over that of two models with independent errors.
        - ``reindex_recall``: Recall of this version's 10 nearest items in the previous gallery; exact are those in its
          own.
        - ``update_gain``: Gain over the previous version, as a fraction of the gain of a re-index.
        - ``constraints``: Fractions of ``same_class`` and ``different_class`` pairs that satisfy their constraint
          against the previous version.
        - ``queries_in_gallery``: Number of queries that are also in the gallery, if any.

        Figures that need two versions are ``None`` for version 0. So are figures that are undefined.
        """
        return self._record

    def measure(self, strategy: ModelOnDevice) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Extract the features of the version and return its records, see :meth:`record`."""
        query, gallery, seconds = self._extract(strategy)
        if self._files is not None:
            self._save(self._files, query, gallery, strategy)
        row, correct = self._row(self.criterion, query, gallery)
        also = {name: self._row(criterion, query, gallery)[0] for name, criterion in self.also.items()}
        self.matrix.append(row)
        record = {**self._matrix_record(also), **self._flip_tests.record(self.matrix, query, gallery, correct)}
        if self.self_items is not None:
            record["queries_in_gallery"] = _count_rows(self.self_items)
        return record, None if self.service is None else self.service.index(query, gallery, seconds)

    def state_dict(self) -> dict[str, Any]:
        """Return the results and galleries of the versions so far. Galleries in files stay there."""
        return {
            **super().state_dict(),
            "kept": [self._galleries.get(criterion) for criterion in (self.criterion, *self.also.values())],
            "before": self._flip_tests.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a :meth:`state_dict`."""
        super().load_state_dict(state)
        stored = zip((self.criterion, *self.also.values()), state["kept"], strict=True)
        self._galleries = {criterion: galleries for criterion, galleries in stored if galleries is not None}
        self._flip_tests.load_state_dict(state["before"])

    def _extract(self, strategy: ModelOnDevice) -> tuple[Tensor, Tensor, float]:
        """Return the features of query and gallery on the strategy's device, and the seconds per gallery image."""
        embed, device = self._embed_of(strategy), torch.device(strategy.device)

        def features_of(images: Images) -> Tensor:
            self.passes += 1
            return extract_features(
                embed,
                images,
                device=device,
                batch_size=self.batch_size,
                precision=precision_of(strategy),
                backbone=None if self.embed is not None else frozen_backbone(strategy.model),
            )

        query = None if self.same_images else features_of(self.query)
        started = device_time(device)
        gallery = features_of(self.gallery)
        seconds = (device_time(device) - started) / len(gallery)
        return gallery if query is None else query, gallery, seconds

    def _embed_of(self, strategy: ModelOnDevice) -> Callable[[Tensor], Tensor]:
        if self.embed is not None:
            return self.embed
        if not isinstance(strategy.model, Embedder):
            model = type(strategy.model).__name__
            raise TypeError(f"{model} has no method embed(images) that returns features; pass CrossTests(embed=...)")
        return strategy.model.embed

    def _save(self, files: FeatureFiles, query: Tensor, gallery: Tensor, strategy: ModelOnDevice) -> None:
        labels = None if self.same_images else self.gallery.labels
        hashes = {"query_sha256": self.query.sha256, "gallery_sha256": self.gallery.sha256}
        files.save_labels(self.query.labels, labels, hashes, self.self_items)
        info = {"criterion": str(self.criterion), "model": type(strategy.model).__name__, **hashes}
        files.save(len(self.matrix), query, None if self.same_images else gallery, info)

    def _row(self, criterion: Criterion, query: Tensor, gallery: Tensor) -> tuple[list[float], list[Tensor]]:
        """Return the row of a version: its queries in the galleries of all versions so far, its own last."""
        labels = self.gallery.labels.cpu()
        if self._files is None or criterion.stores_means:
            galleries = self._galleries.setdefault(criterion, [])
            galleries.append(criterion.store(gallery, labels, self.self_items))
        else:
            loaded = (self._files.load(version).gallery for version in range(len(self.matrix) + 1))
            galleries = [criterion.store(features, labels, self.self_items) for features in loaded]
        return criterion.row(query, self.query.labels, galleries, self.self_items)

    def _note(self, self_items: Tensor, service: SearchService | None) -> str:
        """Return a sentence about queries that are also in the gallery.

        Raises:
            ValueError: All gallery images of a class are queries, which leaves none for its mean.
        """
        note = (
            f"{_count_rows(self_items)} of {len(self_items)} query images are also in the gallery, pixel by pixel: "
            "none finds itself"
        )
        kinds = [criterion.kind for criterion in (self.criterion, *self.also.values())]
        if "nearest_class_mean" not in kinds and (service is None or service.criterion == "cmc@1"):
            return note
        labels, others = self.gallery.labels.cpu(), gallery_only_items(self_items, len(self.gallery))
        if missing := set(labels.tolist()) - set(labels[others].tolist()):
            name = self.gallery.class_names[min(missing)]
            raise ValueError(
                f"{note}; all gallery images of {name} are queries, which leaves none for its class mean: use cmc@1 or "
                "map, or two sets of images"
            )
        return f"{note}, and {len(labels) - len(others)} gallery images enter no class mean"


def _count_rows(self_items: Tensor) -> int:
    """Return the number of queries that are in the gallery."""
    return int((self_items >= 0).any(dim=1).sum())


def _same(query: Images, gallery: Images) -> bool:
    """Return whether both are the same images in the same order."""
    return query is gallery or (query.pixels.shape == gallery.pixels.shape and query.sha256 == gallery.sha256)
