"""Vectors of an audit, split into parts that fit, choose and measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clsim.auditing.search import rows_at, search
from clsim.auditing.settings import AuditSettings
from clsim.auditing.truth import LabelTruth, ListTruth, Truth, relevant_in
from clsim.data.vectors import Relevant, VectorSet
from clsim.utils.errors import UserError

Positions = NDArray[np.int64]
LEAST = 100
"""Fewest items of an audit."""
FIT, VALIDATION, QUERIES = 0.4, 0.2, 0.2
"""Largest shares: pairs to fit among all, pairs to choose among all, and queries among the rest."""
ITEM_PROBES, QUERY_PROBES = 0.4, 0.2
"""Largest shares of validation items, and of given queries, that serve as queries of the validation."""
MOST_PROBES = 2000
"""Most queries of the validation."""


@dataclass(frozen=True)
class Inputs:
    """Vectors of the same items by both models, and what is known of them.

    Attributes:
        old: Items by the old model, ``(N, d)``.
        new: The same items by the new model, ``(N, D)``.
        query_old: Queries by the old model, ``(Q, d)``; None: some of the items are queries.
        query_new: The same queries by the new model, ``(Q, D)``.
        labels: Class of each item, ``(N,)``.
        query_labels: Class of each query, ``(Q,)``.
        relevant: Relevant items of each query.

    """

    old: VectorSet
    new: VectorSet
    query_old: VectorSet | None = None
    query_new: VectorSet | None = None
    labels: NDArray[Any] | None = None
    query_labels: NDArray[Any] | None = None
    relevant: Relevant | None = None

    @property
    def right(self) -> str:
        """What counts as right: ``labels``, ``relevant items`` or ``neighbors by the new model``."""
        if self.relevant is not None:
            return "relevant items"
        return "neighbors by the new model" if self.labels is None else "labels"


@dataclass(frozen=True)
class Part:
    """Gallery and queries that belong together.

    Attributes:
        old: Gallery by the old model.
        new: Gallery by the new model.
        query_old: Queries by the old model, ``(Q, d)``.
        query_new: Queries by the new model, ``(Q, D)``.
        truth: Right answers; None: the neighbors by the new model, once they are known.
        clusters: Cluster of each query for the bootstrap, ``(Q,)``.

    """

    old: VectorSet
    new: VectorSet
    query_old: Tensor
    query_new: Tensor
    truth: Truth | None
    clusters: NDArray[Any]

    def truth_at(self, k: int) -> Truth:
        """Return the right answers, from a search by the new model if nothing else is known."""
        if self.truth is not None:
            return self.truth
        return ListTruth(search({"new": self.query_new}, self.new, min(k, len(self.new)))["new"].items)


@dataclass(frozen=True)
class Material:
    """Disjoint parts of the pairs.

    Attributes:
        fit: Pairs that bridges are fitted to, ``(old, new)``.
        validation: Gallery and queries that choose bridges and calibrate scores.
        test: Gallery and queries that measure, and choose nothing.

    """

    fit: tuple[VectorSet, VectorSet]
    validation: Part
    test: Part


def split_inputs(inputs: Inputs, settings: AuditSettings) -> Material:
    """Split items and queries into parts that fit, choose and measure.

    The gallery that measures holds no item that a bridge was fitted to or chosen by. Without queries, a fifth of the
    remaining items are queries, and the gallery does not hold them.

    Args:
        inputs: Vectors.
        settings: Largest numbers of each part, and the seed.

    Raises:
        UserError: There are too few items or queries, or no query has a right answer in the gallery.

    Example:
        >>> items = VectorSet(np.random.default_rng(0).normal(size=(200, 4)))
        >>> material = split_inputs(Inputs(items, items), AuditSettings())
        >>> len(material.fit[0]), len(material.validation.old), len(material.test.old), len(material.test.query_new)
        (80, 24, 64, 16)

    """
    count = len(inputs.old)
    if count < LEAST:
        raise UserError(f"expected at least {LEAST} items by both models, got {count}", where=inputs.old.name)
    random = np.random.default_rng(settings.seed)
    order = random.permutation(count)
    fit_count = min(settings.fit, int(count * FIT))
    validation_count = min(settings.validation, int(count * VALIDATION))
    fit, validation, rest = np.split(order, [fit_count, fit_count + validation_count])
    if inputs.query_old is None:
        probe_count = min(MOST_PROBES, int(len(validation) * ITEM_PROBES))
        probes, validation = np.split(validation, [probe_count])
        queries, rest = np.split(rest, [min(settings.queries, int(len(rest) * QUERIES))])
    else:
        order = random.permutation(len(inputs.query_old))
        probes, queries = np.split(order, [min(MOST_PROBES, int(len(order) * QUERY_PROBES))])
        queries = queries[: settings.queries]
        if not len(probes):
            what = f"expected at least {int(1 / QUERY_PROBES)} queries, got {len(order)}"
            raise UserError(what, where=inputs.query_old.name)
    # Items are read in the order of their file. Queries stay in random order, so that the first of them are a sample.
    parts = [_part(inputs, np.sort(items), asked) for items, asked in ((validation, probes), (rest, queries))]
    truth = parts[1].truth
    if truth is not None and not bool(truth.counts.any()):
        raise UserError(f"no query has one of the {inputs.right} among the {len(rest):,} items that measure")
    if parts[0].truth is not None and not bool(parts[0].truth.counts.any()):
        # Too few items for a right answer: bridges are chosen by the neighbors.
        parts[0] = Part(parts[0].old, parts[0].new, parts[0].query_old, parts[0].query_new, None, parts[0].clusters)
    fit = np.sort(fit)
    return Material((inputs.old.take(fit), inputs.new.take(fit)), *parts)


def _part(inputs: Inputs, items: Positions, queries: Positions) -> Part:
    of_items = inputs.query_old is None
    asked_old, asked_new = inputs.query_old or inputs.old, inputs.query_new or inputs.new
    labels = inputs.labels if of_items else inputs.query_labels
    truth: Truth | None = None
    clusters: NDArray[Any] = np.arange(len(queries))
    if inputs.relevant is not None:
        truth = relevant_in(inputs.relevant, queries, items, len(inputs.old))
    elif labels is not None and inputs.labels is not None:
        truth = LabelTruth(torch.from_numpy(labels[queries]), torch.from_numpy(inputs.labels[items]))
    if labels is not None:
        clusters = labels[queries]
    return Part(
        inputs.old.take(items),
        inputs.new.take(items),
        rows_at(asked_old, queries),
        rows_at(asked_new, queries),
        truth,
        clusters,
    )
