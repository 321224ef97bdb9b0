"""Criteria of cross-tests: scores of queries by one version in a gallery by another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from clsim.metrics.functional.checks import SelfItems
from clsim.metrics.functional.nearest_mean import class_means, nearest_class_mean_correct
from clsim.metrics.functional.precision import mean_average_precision, ndcg_at_k, r_precision
from clsim.metrics.functional.retrieval import cmc, nearest_correct
from clsim.metrics.functional.similarity import cosines, row_blocks, unit_rows
from clsim.metrics.identical import gallery_only_items

Kind = Literal["nearest_class_mean", "cmc", "map", "ndcg", "r_precision"]
StoredGallery = tuple[Tensor, Tensor]
"""Data of a gallery that later versions need: features and labels, or class means and classes."""
_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
_CUT_OFF = ("cmc", "ndcg")
"""Criteria with a cut-off rank."""


@dataclass(frozen=True)
class Criterion:
    """Search criterion over features of versions that may differ in width.

    Features of different widths cannot be compared and score 0, unless they are truncated.

    Args:
        kind: Metric: ``nearest_class_mean`` (the published protocol: each query against one template per class),
            ``cmc`` (fraction of queries with an item of their class among the ``k`` nearest), ``map`` (mean average
            precision), ``ndcg`` (discounted hits among the ``k`` nearest) or ``r_precision`` (fraction of the query's
            class among as many nearest items as the class has).
        k: Cut-off rank of ``cmc`` and ``ndcg``.
        exclude_self: Whether query ``i`` is gallery item ``i`` and must not find itself.
        truncate: Whether features of different widths are compared by the leading numbers of the wider one, scaled to
            length 1 again (OCA, arXiv 2408.08793).

    Raises:
        ValueError: ``nearest_class_mean`` is asked to exclude self-matches, or ``k`` is below 1.

    Example:
        >>> query, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
        >>> criterion = Criterion("cmc")
        >>> criterion.row(query, labels, [criterion.store(torch.eye(2), labels)])[0]
        [1.0]

    """

    kind: Kind
    k: int = 1
    exclude_self: bool = False
    truncate: bool = False

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"{self.kind}@K: expected K of at least 1, got {self.k}")
        if self.kind == "nearest_class_mean" and self.exclude_self:
            raise ValueError(
                "nearest_class_mean needs different query and gallery images: each query would be part of the mean it "
                "is compared with; use cmc@1 or map, or two sets of images"
            )

    @classmethod
    def parse(cls, text: str, *, exclude_self: bool = False, truncate: bool = False) -> Criterion:
        """Return the criterion with a name: ``nearest_class_mean``, ``cmc@K``, ``map``, ``ndcg@K`` or ``r_precision``.

        Raises:
            ValueError: The name is unknown, or the criterion cannot exclude self-matches.

        Example:
            >>> Criterion.parse("cmc@5")
            Criterion(kind='cmc', k=5, exclude_self=False, truncate=False)

        """
        name, _, cutoff = text.partition("@")
        kind = _KINDS.get(name)
        if kind is None or bool(cutoff) != (kind in _CUT_OFF) or not re.fullmatch(r"\w+(@\d+)?", text, re.ASCII):
            expected = "'nearest_class_mean', 'cmc@K', 'map', 'ndcg@K' or 'r_precision'"
            raise ValueError(f"criterion: expected {expected}, got {text!r}")
        return cls(kind, int(cutoff or 1), exclude_self, truncate)

    @property
    def stores_means(self) -> bool:
        """Whether class means suffice of an old gallery. Means of truncated features differ, so these need all."""
        return self.kind == "nearest_class_mean" and not self.truncate

    def store(self, gallery: Tensor, labels: Tensor, self_items: Tensor | None = None) -> StoredGallery:
        """Return the data that later versions need of a gallery, on the CPU.

        Args:
            gallery: Gallery features, ``(N, D)``.
            labels: Class ids, ``(N,)``.
            self_items: Gallery items that each query is, ``(Q, M)``, negative for none. They enter no class mean.

        """
        if self.kind == "nearest_class_mean" and self_items is not None:
            others = gallery_only_items(self_items, len(labels))
            gallery, labels = gallery[others.to(gallery.device)], labels[others.to(labels.device)]
        if not self.stores_means:
            return gallery.cpu(), labels.cpu()
        classes, means = class_means(gallery, labels)
        return means.cpu(), classes.cpu()

    def row(
        self, query: Tensor, labels: Tensor, galleries: Sequence[StoredGallery], self_items: Tensor | None = None
    ) -> tuple[list[float], list[Tensor]]:
        """Return one row of the cross-test matrix, and the correctness of queries for flip rates.

        Args:
            query: Query features by one version, ``(Q, D)``. All computation runs on their device.
            labels: Class ids of the queries, ``(Q,)``.
            galleries: Results of :meth:`store` for each version, the query's version last.
            self_items: Gallery items that each query is and must not find, ``(Q, M)``, negative for none.

        Returns:
            Score for each gallery, in [0, 1]; and whether each query is nearest to the mean or an item of its class,
            ``(Q,)`` bool, in each of the last two galleries (or the only one).

        """
        query, labels = query.float(), labels.to(query.device)
        if self.stores_means:
            correct = _correct_by_means(query, labels, galleries)
            return [fraction_true(one) for one in correct], correct[-2:]
        if self.kind == "nearest_class_mean" or (self.kind == "cmc" and self.k == 1):
            correct = [self._correct(query, labels, gallery, self_items) for gallery in galleries]
            return [fraction_true(one) for one in correct], correct[-2:]
        scores = [self._score(query, labels, gallery, self_items) for gallery in galleries]
        return scores, [self._correct(query, labels, gallery, self_items) for gallery in galleries[-2:]]

    def _excluded(self, self_items: Tensor | None) -> SelfItems:
        return self.exclude_self if self_items is None else self_items

    def _correct(self, query: Tensor, labels: Tensor, gallery: StoredGallery, self_items: Tensor | None) -> Tensor:
        query, features = self._comparable(query, gallery[0])
        if features.shape[1] != query.shape[1]:
            return torch.zeros_like(labels, dtype=torch.bool)
        if self.kind == "nearest_class_mean":
            return nearest_class_mean_correct(query, labels, features, gallery[1])
        return nearest_correct(query, labels, features, gallery[1], exclude_self=self._excluded(self_items))

    def _score(self, query: Tensor, labels: Tensor, gallery: StoredGallery, self_items: Tensor | None) -> float:
        query, features = self._comparable(query, gallery[0])
        if features.shape[1] != query.shape[1]:
            return 0.0
        excluded = self._excluded(self_items)
        if self.kind == "map":
            return mean_average_precision(query, labels, features, gallery[1], exclude_self=excluded)
        if self.kind == "r_precision":
            return r_precision(query, labels, features, gallery[1], exclude_self=excluded)
        if self.kind == "ndcg":
            return ndcg_at_k(query, labels, features, gallery[1], self.k, exclude_self=excluded)
        return cmc(query, labels, features, gallery[1], k=(self.k,), exclude_self=excluded)[self.k]

    def _comparable(self, query: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return both on the query's device, truncated to one width if allowed."""
        features = features.to(query.device)
        return truncate_to_common(query, features) if self.truncate else (query, features)


def truncate_to_common(query: Tensor, gallery: Tensor) -> tuple[Tensor, Tensor]:
    """Return both cut to the width of the narrower one.

    Example:
        >>> [part.shape[1] for part in truncate_to_common(torch.ones(2, 160), torch.ones(3, 128))]
        [128, 128]

    """
    width = min(query.shape[1], gallery.shape[1])
    return query[:, :width], gallery[:, :width]


def fraction_true(mask: Tensor) -> float:
    """Return the fraction of true entries.

    Example:
        >>> fraction_true(torch.tensor([True, False, True, True]))
        0.75

    """
    return int(mask.sum()) / len(mask)


def _correct_by_means(query: Tensor, labels: Tensor, galleries: Sequence[StoredGallery]) -> list[Tensor]:
    """Return whether queries are nearest to the mean of their class, ``(Q,)`` for each gallery.

    Equals :func:`~clsim.metrics.nearest_class_mean_correct` for each gallery. One product with all means saves a pass
    over the queries per version.
    """
    correct = [torch.zeros_like(labels, dtype=torch.bool) for _ in galleries]
    fitting = [index for index, (means, _) in enumerate(galleries) if means.shape[1] == query.shape[1]]
    if not fitting:
        return correct
    means = unit_rows(torch.cat([galleries[index][0] for index in fitting]).to(query.device), "class means").double()
    units = unit_rows(query, "query")
    classes = [galleries[index][1].to(query.device) for index in fitting]
    for rows in row_blocks(len(query), len(means)):
        parts = cosines(units[rows], means).split([len(part) for part in classes], dim=1)
        for index, part, names in zip(fitting, parts, classes, strict=True):
            own_class = labels[rows, None] == names
            correct[index][rows] = _best(part, own_class) > _best(part, ~own_class)
    return correct


def _best(similarity: Tensor, mask: Tensor) -> Tensor:
    return similarity.where(mask, -float("inf")).amax(dim=1)
