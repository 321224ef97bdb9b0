"""What a search service sees whose gallery was indexed by one version after the other, and never again."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from clsim.metrics.functional.backfill import backfill_curve, best_first_order, random_order
from clsim.metrics.functional.retrieval import class_means, nearest_class_mean_accuracy, nearest_correct
from clsim.metrics.functional.sampling import arrivals, spread
from clsim.metrics.identical import others_of


class ServiceView:
    """A gallery that fills up: what arrives in session ``t`` is indexed by version ``t`` and stays so.

    The gallery's images are divided evenly over the sessions, class by class. Queries use the present version, and take
    part as soon as there is something of their class to be found; as long as that holds for none, all of them do, in
    vain. Kept are the stored feature of each item and what version 0 makes of query and gallery, however many versions
    come.

    A stored feature of another width than the query's cannot be compared with it; it counts as at right angles to
    everything (zeros) until it is re-indexed. Unless features are truncated: then a narrower one is filled up with
    zeros, and so compared with the first numbers of the query, and a wider one is cut.

    Args:
        sessions: of the stream; in as many parts the gallery arrives.
        steps: points of the backfill curve after the first.
        criterion: what counts as right: the nearest item, or the nearest mean of a class.
        queries: at most that many take part, at even steps over the classes; the same in every session.
        seed: of the order of arrival and of the random order of re-indexing.
        truncate: compare features of different widths by their first numbers.

    Raises:
        ValueError: another criterion, or less than one session, step or query.

    """

    def __init__(
        self,
        sessions: int,
        *,
        steps: int = 10,
        criterion: Literal["cmc@1", "nearest_class_mean"] = "cmc@1",
        queries: int = 2000,
        seed: int = 0,
        truncate: bool = False,
    ) -> None:
        if criterion not in ("cmc@1", "nearest_class_mean"):
            raise ValueError(f"the service is judged by 'cmc@1' or 'nearest_class_mean'; got {criterion!r}")
        if min(sessions, steps, queries) < 1:
            raise ValueError("the service needs at least one session, one step and one query")
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
        own: Tensor | None = None,
    ) -> None:
        """Says which images there are, and forgets whatever was enrolled.

        Args:
            query_labels: class ids ``(Q,)``.
            gallery_labels: class ids ``(N,)``.
            same_images: query ``i`` is gallery item ``i``, and never finds itself.
            own: Gallery items that each query is, ``(Q, M)``, where the two are not the same images; negative for none.
                It finds none of them, and of class means such items are no part: they never arrive.

        Raises:
            ValueError: there are fewer items than sessions, or the criterion does not suit images that are query and
                gallery at once.

        """
        if len(gallery_labels) < self.sessions:
            raise ValueError(f"{len(gallery_labels)} gallery items cannot arrive in {self.sessions} sessions")
        if same_images and self.criterion == "nearest_class_mean":
            raise ValueError("nearest_class_mean needs a gallery of other images than the queries; use cmc@1")
        others = torch.arange(len(gallery_labels))
        if own is not None and self.criterion == "nearest_class_mean":
            others, own = others_of(own, len(gallery_labels)), None
            if len(others) < self.sessions:
                raise ValueError(f"{len(others)} gallery items are no queries: too few for {self.sessions} sessions")
        drawn = arrivals(gallery_labels.cpu()[others], self.sessions, torch.Generator().manual_seed(self.seed))
        parts = [others[part] for part in drawn]
        self._sizes = [len(part) for part in parts]
        self._items, self._asked = torch.cat(parts), spread(query_labels, self.queries)
        self._query_labels, self._item_labels = query_labels.cpu()[self._asked], gallery_labels.cpu()[self._items]
        # Where a query stands in the order of arrival, if it is an item itself.
        self._own: Tensor | None = None
        if same_images:
            self._own = self._items.argsort()[self._asked]
        elif own is not None:
            asked = own.cpu()[self._asked]
            self._own = self._items.argsort()[asked.clamp_min(0)].where(asked >= 0, len(self._items))
        self._stored: list[Tensor] = []
        self._first: tuple[Tensor, Tensor] | None = None
        self._answerable = torch.arange(len(self._asked))

    def enrol(self, query: Tensor, gallery: Tensor, seconds_per_image: float) -> dict[str, Any]:
        """Enrols what arrives in the session of the next version, and measures search.

        Args:
            query: the version's features of all queries, ``(Q, D)``; everything is computed on their device.
            gallery: its features of all items, ``(N, D)``. Nothing looks at those of items to come, and only the
                figures of backfilling at those of items enrolled before.
            seconds_per_image: that the version takes to make a feature.

        Returns:
            The ``service`` record of a session:

            - ``accuracy``: share of queries that are right on the gallery as it is stored;
            - ``full_backfill``: the same if every item were re-indexed now;
            - ``no_update``: the same if version 0 had made all features, queries included;
            - ``gallery_items``, ``items_by_version``: enrolled so far;
            - ``backfill``: accuracy while the share ``fractions`` of the items of earlier versions is re-indexed, in
              ``random`` order and ``best_first``, with the areas; ``None`` for version 0. Best-first knows what a
              service does: stored features, and what the present version makes of the items it enrols itself;
            - ``images_not_reprocessed``: items of earlier versions, which a re-index would go through now;
            - ``device_seconds_saved``: the time that would take.

        Raises:
            ValueError: there are more versions than sessions.

        """
        version = len(self._stored)
        if version >= self.sessions:
            raise ValueError(f"the service was made for {self.sessions} sessions; this is one more")
        earlier, now = sum(self._sizes[:version]), sum(self._sizes[: version + 1])
        asked, items = self._asked.to(query.device), self._items.to(query.device)
        answerable = torch.isin(self._query_labels, self._item_labels[:now])
        self._answerable = (answerable if answerable.any() else ~answerable).nonzero().flatten()
        if self._first is None:
            self._first = query[asked].half().cpu(), gallery[items].cpu()
        query, fresh = query[asked[self._answerable.to(query.device)]].float(), gallery[items[:now]].float()
        self._stored.append(gallery[items[earlier:now]].cpu())
        return {
            **(self._search(query, fresh, earlier) if version else self._search_at_first(query, fresh)),
            "gallery_items": now,
            "items_by_version": self._sizes[: version + 1],
            "images_not_reprocessed": earlier,
            "device_seconds_saved": earlier * seconds_per_image,
        }

    def state_dict(self) -> dict[str, Any]:
        """What is stored of the items so far, and what version 0 made of all."""
        return {"stored": self._stored, "first": self._first, "answerable": self._answerable}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` gave, after :meth:`open`."""
        self._stored, self._first, self._answerable = state["stored"], state["first"], state["answerable"]

    def _search_at_first(self, query: Tensor, fresh: Tensor) -> dict[str, Any]:
        accuracy = self._accuracy(query, fresh)
        return {"accuracy": accuracy, "full_backfill": accuracy, "no_update": accuracy, "backfill": None}

    def _search(self, query: Tensor, fresh: Tensor, earlier: int) -> dict[str, Any]:
        assert self._first is not None
        device, width = query.device, fresh.shape[1]
        stored = torch.cat([_in_width(part, width, self.truncate) for part in self._stored]).to(device).float()
        labels = self._item_labels[: len(fresh)].to(device)
        generator = torch.Generator().manual_seed(self.seed + len(self._stored))
        present = class_means(fresh[earlier:], labels[earlier:])
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
                exclude_self=self._own_among(len(fresh)),
            )
            for order in (
                random_order(earlier, generator),
                best_first_order(stored[:earlier], labels[:earlier], present),
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
        own = self._own_among(len(gallery))
        right = nearest_correct(query, labels[0], gallery, labels[1], exclude_self=own)
        return int(right.sum()) / len(right)

    def _own_among(self, items: int) -> Tensor | bool:
        """Which of the items enrolled so far each query is, negative for none of them; or that no query is an item."""
        if self._own is None:
            return False
        own = self._own[self._answerable]
        return own.where(own < items, -1)


def _in_width(stored: Tensor, width: int, truncate: bool) -> Tensor:
    """The features in this width; if theirs is another, zeros in their place, or only for what is missing."""
    if stored.shape[1] == width:
        return stored
    fitted = stored.new_zeros(len(stored), width)
    if truncate:
        common = min(width, stored.shape[1])
        fitted[:, :common] = stored[:, :common]
    return fitted
