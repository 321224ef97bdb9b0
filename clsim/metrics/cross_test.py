"""Cross-tests while a stream runs: queries by every version against the galleries of all versions before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clsim.data.core.images import Images
from clsim.metrics.extraction import extract_features
from clsim.metrics.feature_files import FeatureFiles
from clsim.metrics.flip_tests import AgainstBefore
from clsim.metrics.functional.compatibility import (
    average_compatibility,
    average_multimodel_accuracy,
    backward_compatibility,
    gain_over_first,
)
from clsim.metrics.functional.criteria import Criterion, Kept
from clsim.metrics.identical import identical_items, others_of
from clsim.metrics.search_service import ServiceView
from clsim.metrics.version_tests import VersionTests
from clsim.utils.device import device_time

CONSTRAINT_QUERIES = 2000
"""So many queries, at even steps over the classes, are asked for the inequalities of compatibility."""


class CrossTests(VersionTests):
    """Fills the cross-test matrix, one version of the model after the other. Works in any Avalanche strategy.

    Every version goes through query and gallery once, so that a matrix of T versions costs 2T passes (T where the same
    images are both); what a version is, and when it is measured, is told at
    :class:`~clsim.metrics.version_tests.VersionTests`.

    Features have length 1 and are rounded to float16; every figure is computed from the rounded ones, and so equals
    what :func:`~clsim.metrics.feature_files.recompute_matrix` finds in the files. Versions may differ in the width of
    their features; those cannot be compared, and the cross-test counts as 0, unless they are truncated.

    Of an earlier version only its gallery is kept, in ``folder`` if there is one, and of that only the class means
    if the criterion needs no more.

    Args:
        query: images to search with.
        gallery: images to search in, over the same classes. A query that is in the gallery, pixel by pixel, does not
            find itself; of class means such gallery images are no part.
        criterion: ``nearest_class_mean`` (the published protocol), ``cmc@K`` or ``map``.
        also: further criteria, whose rows the record holds beside the matrix.
        truncate: compare features of different widths by as many of their first numbers as the narrower one has.
        strict: whether a cross-test must beat the older self-test to count as compatible; else a tie will do.
        batch_size: images a batch of a pass.
        folder: for the features of all versions; 2 D bytes an image and version.
        service: is shown every version, too.
        embed: images in [0, 1], ``(B, 3, H, W)``, to features ``(B, D)``; the model's own ``embed`` without it. It
            has to follow the model by itself where that is replaced. Passes run in the strategy's ``precision``.
        constraint_queries: at most so many queries, at even steps over the classes, are asked for the inequalities
            of the definition of compatibility, which look at all pairs with the gallery.

    Attributes:
        matrix: lower-triangular rows; row ``i`` holds the queries by version ``i`` on the galleries 0 to ``i``.
        passes: over a set of images, so far.
        note: Sentence about queries that are in the gallery; ``None`` if none is, or if both are the same images.

    Raises:
        ValueError: the criterion is unknown or does not suit the images; there are none; query and gallery name
            different classes.

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
        service: ServiceView | None = None,
        embed: Callable[[Tensor], Tensor] | None = None,
        constraint_queries: int = CONSTRAINT_QUERIES,
    ) -> None:
        if not len(query) or not len(gallery):
            raise ValueError("cross-tests need query and gallery images")
        if query.class_names != gallery.class_names:
            raise ValueError(f"query ({query.name}) and gallery ({gallery.name}) must name the same classes")
        self.query = query
        self.gallery = gallery
        self.same_images = _same(query, gallery)
        self.criterion = Criterion.parse(criterion, exclude_self=self.same_images, truncate=truncate)
        self.also = {name: Criterion.parse(name, exclude_self=self.same_images, truncate=truncate) for name in also}
        self.strict = strict
        self.batch_size = batch_size
        self.service = service
        self.embed = embed
        self._files = None if folder is None else FeatureFiles(folder)
        self.truncate = truncate
        self.constraint_queries = constraint_queries
        self.own = None if self.same_images else identical_items(query, gallery)
        self.note = None if self.own is None else self._note(self.own)
        super().__init__()

    def reset(self) -> None:
        """Forgets every version; the next one is version 0."""
        super().reset()
        self._kept: dict[Criterion, list[Kept]] = {}
        self._before = AgainstBefore(
            self.query.labels,
            self.gallery.labels,
            queries=self.constraint_queries,
            same_images=self.same_images,
            truncate=self.truncate,
            own=self.own,
        )
        if self.service is not None:
            self.service.open(self.query.labels, self.gallery.labels, same_images=self.same_images, own=self.own)

    def record(self) -> dict[str, Any] | None:
        """The ``compatibility`` record of the last version; ``None`` before the first.

        - ``self_test``, ``cross_tests``: its row of the matrix;
        - ``also``: the whole row by each further criterion;
        - ``ac``, ``am``, ``against_first``, ``backward_compatibility``: of the matrix so far;
        - ``negative_flip_rate``, ``positive_flip_rate``: on the gallery of the version before, queries that version
          got right and this one gets wrong, and the reverse; at rank 1 for ``cmc@K`` and ``map``;
        - ``update_gain``: over the version before, as a share of what a re-index gains;
        - ``constraints``: share of ``same_class`` and ``different_class`` pairs that keep their inequality, against
          the version before.

        - ``queries_in_gallery``: number of queries that are in the gallery, another set, and do not find themselves;
          only where there are any.

        What takes two versions is ``None`` for version 0, and so is what cannot be had.
        """
        return self._record

    def measure(self, strategy: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Takes both sets of images through the version; see :meth:`record`."""
        query, gallery, seconds = self._extract(strategy)
        if self._files is not None:
            self._save(self._files, query, gallery, strategy)
        row, right = self._row(self.criterion, query, gallery)
        also = {name: self._row(criterion, query, gallery)[0] for name, criterion in self.also.items()}
        self.matrix.append(row)
        record = {
            "self_test": row[-1],
            "cross_tests": row[:-1],
            "also": also,
            "ac": average_compatibility(self.matrix, self.strict),
            "am": average_multimodel_accuracy(self.matrix),
            "against_first": gain_over_first(self.matrix),
            "backward_compatibility": backward_compatibility(self.matrix),
            **self._before.record(self.matrix, query, gallery, right),
        }
        if self.own is not None:
            record["queries_in_gallery"] = int((self.own >= 0).any(dim=1).sum())
        return record, None if self.service is None else self.service.enrol(query, gallery, seconds)

    def state_dict(self) -> dict[str, Any]:
        """What is kept of the versions so far; galleries in files stay there."""
        return {
            **super().state_dict(),
            "kept": [self._kept.get(criterion) for criterion in (self.criterion, *self.also.values())],
            "before": self._before.state_dict(),
            "service": None if self.service is None else self.service.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` gave."""
        super().load_state_dict(state)
        criteria = zip((self.criterion, *self.also.values()), state["kept"], strict=True)
        self._kept = {criterion: kept for criterion, kept in criteria if kept is not None}
        self._before.load_state_dict(state["before"])
        if self.service is not None:
            self.service.load_state_dict(state["service"])

    def _extract(self, strategy: Any) -> tuple[Tensor, Tensor, float]:
        """Features of query and gallery, on the strategy's device, and the seconds a gallery image took."""
        embed = self.embed or getattr(strategy.model, "embed", None)
        if embed is None:
            model = type(strategy.model).__name__
            raise TypeError(f"{model} has no embed(images) that gives features; give CrossTests(embed=...) one")
        device, precision = torch.device(strategy.device), getattr(strategy, "precision", "fp32")

        def go_through(images: Images) -> Tensor:
            self.passes += 1
            return extract_features(embed, images, device=device, batch_size=self.batch_size, precision=precision)

        query = None if self.same_images else go_through(self.query)
        started = device_time(device)
        gallery = go_through(self.gallery)
        seconds = (device_time(device) - started) / len(gallery)
        return gallery if query is None else query, gallery, seconds

    def _save(self, files: FeatureFiles, query: Tensor, gallery: Tensor, strategy: Any) -> None:
        labels = None if self.same_images else self.gallery.labels
        hashes = {"query_sha256": self.query.sha256, "gallery_sha256": self.gallery.sha256}
        files.save_labels(self.query.labels, labels, hashes, self.own)
        info = {"criterion": str(self.criterion), "model": type(strategy.model).__name__, **hashes}
        files.save(len(self.matrix), query, None if self.same_images else gallery, info)

    def _row(self, criterion: Criterion, query: Tensor, gallery: Tensor) -> tuple[list[float], list[Tensor]]:
        """Queries on the galleries of all versions, the given one's last."""
        labels = self.gallery.labels.cpu()
        if self._files is None or criterion.keeps_means:
            galleries = self._kept.setdefault(criterion, [])
            galleries.append(criterion.keep(gallery, labels, self.own))
        else:
            stored = (self._files.load(version).gallery for version in range(len(self.matrix) + 1))
            galleries = [criterion.keep(features, labels, self.own) for features in stored]
        return criterion.row(query, self.query.labels, galleries, self.own)

    def _note(self, own: Tensor) -> str:
        """Return what is said of queries that are in the gallery.

        Raises:
            ValueError: A class whose gallery images are all queries has no mean.
        """
        queries = int((own >= 0).any(dim=1).sum())
        said = f"{queries} of {len(own)} query images are in the gallery too, to the last pixel: none finds itself"
        kinds = [*(criterion.kind for criterion in (self.criterion, *self.also.values()))]
        if "nearest_class_mean" not in kinds and (self.service is None or self.service.criterion == "cmc@1"):
            return said
        labels, others = self.gallery.labels.cpu(), others_of(own, len(self.gallery))
        if missing := set(labels.tolist()) - set(labels[others].tolist()):
            name = self.gallery.class_names[min(missing)]
            raise ValueError(
                f"{said}; all gallery images of {name} are queries, which leaves none for its class mean: use cmc@1 or "
                "map, or two sets of images"
            )
        return f"{said}, and {len(labels) - len(others)} gallery images are part of no class mean"


def _same(query: Images, gallery: Images) -> bool:
    """Whether both are the same images in the same order."""
    return query is gallery or (query.pixels.shape == gallery.pixels.shape and query.sha256 == gallery.sha256)
