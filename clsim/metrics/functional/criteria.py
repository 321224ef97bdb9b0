"""By what a query by one version and a gallery by another are judged: the M of a cross-test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from clsim.metrics.functional.checks import Own
from clsim.metrics.functional.retrieval import (
    class_means,
    cmc,
    mean_average_precision,
    nearest_class_mean_correct,
    nearest_correct,
)
from clsim.metrics.functional.similarity import cosines, row_blocks, unit_rows
from clsim.metrics.identical import others_of

Kept = tuple[Tensor, Tensor]
"""What later versions need of a gallery: features and labels, or class means and classes."""


@dataclass(frozen=True)
class Criterion:
    """One of the criteria, over features of versions that may differ in width.

    Features of different widths cannot be compared: nothing is found, 0. Unless they are truncated.

    Args:
        kind: ``nearest_class_mean`` (the published protocol: each query against one template a class), ``cmc``
            (share of queries with an item of their class among the ``k`` nearest) or ``map`` (mean average precision).
        k: of ``cmc``.
        exclude_self: query ``i`` is gallery item ``i`` and must not find itself.
        truncate: features of different widths are compared by as many of their first numbers as the narrower one
            has, scaled to length 1 again (OCA, arXiv 2408.08793).

    Raises:
        ValueError: self-matches cannot be excluded from class means, or ``k`` is less than 1.

    """

    kind: Literal["nearest_class_mean", "cmc", "map"]
    k: int = 1
    exclude_self: bool = False
    truncate: bool = False

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k of cmc@K must be at least 1, not {self.k}")
        if self.kind == "nearest_class_mean" and self.exclude_self:
            raise ValueError(
                "nearest_class_mean needs a gallery of other images than the queries: each query would be part of "
                "the mean it is compared with; use cmc@1 or map, or two sets of images"
            )

    @classmethod
    def parse(cls, text: str, *, exclude_self: bool = False, truncate: bool = False) -> Criterion:
        """The criterion of that name.

        Raises:
            ValueError: there is none, or it does not suit images that are query and gallery at once.

        Example:
            >>> Criterion.parse("cmc@5")
            Criterion(kind='cmc', k=5, exclude_self=False, truncate=False)

        """
        if text == "nearest_class_mean":
            return cls("nearest_class_mean", exclude_self=exclude_self, truncate=truncate)
        if text == "map":
            return cls("map", exclude_self=exclude_self, truncate=truncate)
        if match := re.fullmatch(r"cmc@(\d+)", text):
            return cls("cmc", int(match[1]), exclude_self, truncate)
        raise ValueError(f"the criterion must be 'nearest_class_mean', 'cmc@K' or 'map'; got {text!r}")

    @property
    def keeps_means(self) -> bool:
        """Whether class means are all that is needed of a gallery later; those of truncated features are others."""
        return self.kind == "nearest_class_mean" and not self.truncate

    def keep(self, gallery: Tensor, labels: Tensor, own: Tensor | None = None) -> Kept:
        """What later versions need of a gallery ``(N, D)``, on the CPU.

        Gallery items that are queries too, ``own``, are part of no class mean.
        """
        if self.kind == "nearest_class_mean" and own is not None:
            others = others_of(own, len(labels))
            gallery, labels = gallery[others.to(gallery.device)], labels[others.to(labels.device)]
        if not self.keeps_means:
            return gallery.cpu(), labels.cpu()
        classes, means = class_means(gallery, labels)
        return means.cpu(), classes.cpu()

    def row(
        self, query: Tensor, labels: Tensor, galleries: Sequence[Kept], own: Tensor | None = None
    ) -> tuple[list[float], list[Tensor]]:
        """One row of the cross-test matrix, and what flips are counted from.

        Args:
            query: features by one version, ``(Q, D)``; everything is computed on its device.
            labels: class ids ``(Q,)``.
            galleries: what :meth:`keep` gave for every version, the query's own last.
            own: the gallery items that each query is, ``(Q, M)``, negative for none; it finds none of them.

        Returns:
            M for each gallery, a share or a mean precision in [0, 1]; and which queries are right, ``(Q,)`` bool, on
            each of the last two (or the only one): those nearest to the mean of their class, or to an item of it.

        """
        query, labels = query.float(), labels.to(query.device)
        if self.keeps_means:
            right = _right_by_means(query, labels, galleries)
            return [share(one) for one in right], right[-2:]
        if self.kind == "nearest_class_mean" or (self.kind == "cmc" and self.k == 1):
            right = [self._right(query, labels, gallery, own) for gallery in galleries]
            return [share(one) for one in right], right[-2:]
        scores = [self._score(query, labels, gallery, own) for gallery in galleries]
        return scores, [self._right(query, labels, gallery, own) for gallery in galleries[-2:]]

    def _excluded(self, own: Tensor | None) -> Own:
        return self.exclude_self if own is None else own

    def _right(self, query: Tensor, labels: Tensor, gallery: Kept, own: Tensor | None) -> Tensor:
        query, features = self._comparable(query, gallery[0])
        if features.shape[1] != query.shape[1]:
            return torch.zeros_like(labels, dtype=torch.bool)
        if self.kind == "nearest_class_mean":
            return nearest_class_mean_correct(query, labels, features, gallery[1])
        return nearest_correct(query, labels, features, gallery[1], exclude_self=self._excluded(own))

    def _score(self, query: Tensor, labels: Tensor, gallery: Kept, own: Tensor | None) -> float:
        query, features = self._comparable(query, gallery[0])
        if features.shape[1] != query.shape[1]:
            return 0.0
        if self.kind == "map":
            return mean_average_precision(query, labels, features, gallery[1], exclude_self=self._excluded(own))
        return cmc(query, labels, features, gallery[1], k=(self.k,), exclude_self=self._excluded(own))[self.k]

    def _comparable(self, query: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Both on the query's device, and of one width if they may be truncated to it."""
        features = features.to(query.device)
        return truncated(query, features) if self.truncate else (query, features)


def truncated(query: Tensor, gallery: Tensor) -> tuple[Tensor, Tensor]:
    """The first numbers of both, as many as the narrower one has.

    Example:
        >>> [part.shape[1] for part in truncated(torch.ones(2, 160), torch.ones(3, 128))]
        [128, 128]

    """
    width = min(query.shape[1], gallery.shape[1])
    return query[:, :width], gallery[:, :width]


def _right_by_means(query: Tensor, labels: Tensor, galleries: Sequence[Kept]) -> list[Tensor]:
    """Queries nearest to the mean of their class, ``(Q,)`` for each gallery, from one product with all their means.

    The same as :func:`~clsim.metrics.nearest_class_mean_correct` for each of them, which would go through
    the queries once for every version there is.
    """
    right = [torch.zeros_like(labels, dtype=torch.bool) for _ in galleries]
    fitting = [index for index, (means, _) in enumerate(galleries) if means.shape[1] == query.shape[1]]
    if not fitting:
        return right
    means = unit_rows(torch.cat([galleries[index][0] for index in fitting]).to(query.device), "class means").double()
    units = unit_rows(query, "query")
    classes = [galleries[index][1].to(query.device) for index in fitting]
    for rows in row_blocks(len(query), len(means)):
        parts = cosines(units[rows], means).split([len(part) for part in classes], dim=1)
        for index, part, names in zip(fitting, parts, classes, strict=True):
            own = labels[rows, None] == names
            right[index][rows] = _best(part, own) > _best(part, ~own)
    return right


def _best(similarity: Tensor, mask: Tensor) -> Tensor:
    return similarity.where(mask, -float("inf")).amax(dim=1)


def share(right: Tensor) -> float:
    """Share of the queries that are right, as an exact fraction.

    Example:
        >>> share(torch.tensor([True, False, True, True]))
        0.75

    """
    return int(right.sum()) / len(right)
