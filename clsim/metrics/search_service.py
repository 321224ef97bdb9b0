"""Simulation of a search service whose gallery is indexed session by session and never re-indexed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from clsim.metrics.functional.backfill import BackfillCriterion, backfill_curve, best_first_order, random_order
from clsim.metrics.functional.checks import SelfItems
from clsim.metrics.functional.nearest_mean import class_means, nearest_class_mean_accuracy
from clsim.metrics.functional.retrieval import nearest_correct
from clsim.metrics.functional.sampling import sample_evenly, split_evenly
from clsim.metrics.identical import gallery_only_items


class SearchService:
    """Search in a growing gallery: version ``t`` indexes the items of session ``t``, and they keep its features.

    Gallery images are split evenly over the sessions, class by class. Queries use the current version. A query takes
    part as soon as an item of its class is indexed; while that holds for none, all take part and fail. Only the stored
    feature of each item and version 0's features of query and gallery are held, for any number of versions.

    A stored feature of another width than the query cannot be compared: it counts as orthogonal to everything (zeros)
    until it is re-indexed. With ``truncate`` a narrower one is padded with zeros, which compares it with the query's
    leading numbers, and a wider one is cut.

    Args:
        sessions: Number of sessions of the stream, over which the gallery is split.
        steps: Number of points of the backfill curve after the first.
        criterion: Rule that decides the class of a query: nearest item or nearest class mean.
        queries: Maximal number of queries, sampled evenly over the classes; the same in all sessions.
        seed: Seed of the split over sessions and of the random order of re-indexing.
        truncate: Whether features of different widths are compared by their leading numbers.

    Raises:
        ValueError: The criterion is unknown, or a number of sessions, steps or queries is below 1.

    Example:
        >>> service = SearchService(sessions=2, steps=1)
        >>> service.open(torch.tensor([0, 1]), torch.tensor([0, 1, 0, 1]))
        >>> features = torch.eye(2)
        >>> service.index(features, features.repeat(2, 1), seconds_per_image=0.01)["accuracy"]
        1.0

    """

    def __init__(
        self,
        sessions: int,
        *,
        steps: int = 10,
        criterion: BackfillCriterion = "cmc@1",
        queries: int = 2000,
        seed: int = 0,
        truncate: bool = False,
    ) -> None:
        if criterion not in ("cmc@1", "nearest_class_mean"):
            raise ValueError(f"service criterion: expected 'cmc@1' or 'nearest_class_mean', got {criterion!r}")
        if min(sessions, steps, queries) < 1:
            raise ValueError(
                f"the service needs at least 1 session, step and query, got {sessions}, {steps} and {queries}"
            )
        self.sessions = sessions
        self.steps = steps
        self.criterion = criterion
        self.queries = queries
        self.seed = seed
        self.truncate = truncate

    def open(
        self,
        query_labels: Tensor,
        gallery_labels: Tensor,
        *,
        same_images: bool = False,
        self_items: Tensor | None = None,
    ) -> None:
        """Set the images, and discard everything indexed.

        Args:
            query_labels: Class ids of the queries, ``(Q,)``.
            gallery_labels: Class ids of the gallery, ``(N,)``.
            same_images: Whether query ``i`` is gallery item ``i``, which it must not find.
            self_items: Gallery items that each query is if the sets differ, ``(Q, M)``, negative for none. A query
                finds none of them. With class means they are never indexed.

        Raises:
            ValueError: There are fewer items than sessions, or the criterion cannot exclude self-matches.

        """
        if len(gallery_labels) < self.sessions:
            raise ValueError(f"{len(gallery_labels)} gallery items are too few for {self.sessions} sessions")
        if same_images and self.criterion == "nearest_class_mean":
            raise ValueError("nearest_class_mean needs different query and gallery images; use cmc@1")
        others = torch.arange(len(gallery_labels))
        if self_items is not None and self.criterion == "nearest_class_mean":
            others, self_items = gallery_only_items(self_items, len(gallery_labels)), None
            if len(others) < self.sessions:
                raise ValueError(
                    f"{len(others)} gallery items that are not queries are too few for {self.sessions} sessions"
                )
        split = split_evenly(gallery_labels.cpu()[others], self.sessions, torch.Generator().manual_seed(self.seed))
        parts = [others[part] for part in split]
        self._sizes = [len(part) for part in parts]
        self._items, self._sample = torch.cat(parts), sample_evenly(query_labels, self.queries)
        self._query_labels, self._item_labels = query_labels.cpu()[self._sample], gallery_labels.cpu()[self._items]
        # Position of each query in the order of indexing, if it is an item itself.
        self._self_items: Tensor | None = None
        if same_images:
            self._self_items = self._items.argsort()[self._sample]
        elif self_items is not None:
            sampled = self_items.cpu()[self._sample]
            self._self_items = self._items.argsort()[sampled.clamp_min(0)].where(sampled >= 0, len(self._items))
        self._stored: list[Tensor] = []
        self._first: tuple[Tensor, Tensor] | None = None
        self._answerable = torch.arange(len(self._sample))

    def index(self, query: Tensor, gallery: Tensor, seconds_per_image: float) -> dict[str, Any]:
        """Index the items of the next session with the next version, and evaluate search.

        Args:
            query: The version's features of all queries, ``(Q, D)``. All computation runs on their device.
            gallery: The version's features of all items, ``(N, D)``. Those of later sessions are not used; those of
                earlier sessions only for the backfill figures.
            seconds_per_image: Seconds that the version takes per feature.

        Returns:
            The ``service`` record of a session:

            - ``accuracy``: Fraction of correct queries in the gallery as stored.
            - ``full_backfill``: Accuracy if all items were re-indexed now.
            - ``no_update``: Accuracy if version 0 had made all features, including the queries'.
            - ``gallery_items``, ``items_by_version``: Numbers of indexed items.
            - ``backfill``: Accuracy while the ``fractions`` of earlier versions' items are re-indexed, in ``random``
              and ``best_first`` order, with the areas; ``None`` for version 0. Best-first uses what a service knows:
              stored features, and the current version's features of the items it indexes.
            - ``images_not_reprocessed``: Number of items of earlier versions, which a re-index would process.
            - ``device_seconds_saved``: Seconds that would take.

        Raises:
            ValueError: There are more versions than sessions.

        """
        version = len(self._stored)
        if version >= self.sessions:
            raise ValueError(f"the service has {self.sessions} sessions, got version {version}")
        earlier, now = sum(self._sizes[:version]), sum(self._sizes[: version + 1])
        sample, items = self._sample.to(query.device), self._items.to(query.device)
        answerable = torch.isin(self._query_labels, self._item_labels[:now])
        self._answerable = (answerable if answerable.any() else ~answerable).nonzero().flatten()
        if self._first is None:
            self._first = query[sample].half().cpu(), gallery[items].cpu()
        query, fresh = query[sample[self._answerable.to(query.device)]].float(), gallery[items[:now]].float()
        self._stored.append(gallery[items[earlier:now]].cpu())
        return {
            **(self._search(query, fresh, earlier) if version else self._search_at_first(query, fresh)),
            "gallery_items": now,
            "items_by_version": self._sizes[: version + 1],
            "images_not_reprocessed": earlier,
            "device_seconds_saved": earlier * seconds_per_image,
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the stored features, and version 0's features of all images."""
        return {"stored": self._stored, "first": self._first, "answerable": self._answerable}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a :meth:`state_dict`, after :meth:`open`."""
        self._stored, self._first, self._answerable = state["stored"], state["first"], state["answerable"]

    def _search_at_first(self, query: Tensor, fresh: Tensor) -> dict[str, Any]:
        accuracy = self._accuracy(query, fresh)
        return {"accuracy": accuracy, "full_backfill": accuracy, "no_update": accuracy, "backfill": None}

    def _search(self, query: Tensor, fresh: Tensor, earlier: int) -> dict[str, Any]:
        assert self._first is not None
        device, width = query.device, fresh.shape[1]
        stored = torch.cat([_fit_width(part, width, self.truncate) for part in self._stored]).to(device).float()
        labels = self._item_labels[: len(fresh)].to(device)
        generator = torch.Generator().manual_seed(self.seed + len(self._stored))
        current = class_means(fresh[earlier:], labels[earlier:])
        random, best_first = (
            backfill_curve(
                query,
                self._query_labels[self._answerable].to(device),
                stored,
                fresh,
                labels,
                order,
                steps=self.steps,
                criterion=self.criterion,
                exclude_self=self._self_items_among(len(fresh)),
            )
            for order in (
                random_order(earlier, generator),
                best_first_order(stored[:earlier], labels[:earlier], current),
            )
        )
        first_query, first_gallery = (side.to(device).float() for side in self._first)
        first_query = first_query[self._answerable.to(device)]
        return {
            "accuracy": random.accuracy[0],
            "full_backfill": random.accuracy[-1],
            "no_update": self._accuracy(first_query, first_gallery[: len(fresh)]),
            "backfill": {
                "fractions": list(random.fractions),
                "random": list(random.accuracy),
                "best_first": list(best_first.accuracy),
                "area_random": random.area,
                "area_best_first": best_first.area,
            },
        }

    def _accuracy(self, query: Tensor, gallery: Tensor) -> float:
        labels = self._query_labels[self._answerable], self._item_labels[: len(gallery)]
        if self.criterion == "nearest_class_mean":
            return nearest_class_mean_accuracy(query, labels[0], gallery, labels[1])
        excluded = self._self_items_among(len(gallery))
        correct = nearest_correct(query, labels[0], gallery, labels[1], exclude_self=excluded)
        return int(correct.sum()) / len(correct)

    def _self_items_among(self, items: int) -> SelfItems:
        """Return the indexed items that each query is, negative for none; ``False`` if no query is an item."""
        if self._self_items is None:
            return False
        self_items = self._self_items[self._answerable]
        return self_items.where(self_items < items, -1)


def _fit_width(stored: Tensor, width: int, truncate: bool) -> Tensor:
    """Return stored features in a width: zeros if theirs differs, or cut or padded with zeros if truncated."""
    if stored.shape[1] == width:
        return stored
    fitted = stored.new_zeros(len(stored), width)
    if truncate:
        common = min(width, stored.shape[1])
        fitted[:, :common] = stored[:, :common]
    return fitted
