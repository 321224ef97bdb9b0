"""Bridges of an audit: fitted to one part of the pairs, chosen on another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from clsim.auditing.material import Material, Part
from clsim.auditing.record import BridgeScore
from clsim.auditing.search import rows_at, search
from clsim.auditing.settings import AuditSettings
from clsim.auditing.truth import query_figures
from clsim.data.vectors import VectorSet
from clsim.metrics.functional.arrangements import score_line
from clsim.models.bridges import Bridge, FitsMoments, make_bridge, mean_cosine, moments_of

NAIVE = "identity"
"""Bridge that maps nothing."""


@dataclass(frozen=True)
class Candidate:
    """A fitted bridge and its scores on the validation.

    Attributes:
        bridge: Bridge.
        score: Scores for the record.

    """

    bridge: Bridge
    score: BridgeScore


@dataclass(frozen=True)
class Fitted:
    """All bridges of an audit.

    Attributes:
        candidates: Bridges that were fitted, without the identity.
        naive: Identity: rows are cut or padded with zeros where widths differ.

    """

    candidates: tuple[Candidate, ...]
    naive: Bridge

    def best(self, side: str) -> Bridge | None:
        """Return the bridge of a side with the greatest score on the validation; None without one."""
        of_side = [each for each in self.candidates if each.score.side == side]
        return max(of_side, key=lambda each: each.score.validation).bridge if of_side else None

    def others(self, side: str) -> list[Bridge]:
        """Return the bridges of a side that the validation did not choose."""
        best = self.best(side)
        return [each.bridge for each in self.candidates if each.score.side == side and each.bridge is not best]


def fit_candidates(material: Material, settings: AuditSettings, say: Callable[[str], None] = print) -> Fitted:
    """Fit the bridges of the settings, each on the sides that it can serve, and score them on the validation.

    Bridges in closed form serve both sides; trained ones the side that their source proposes.

    Args:
        material: Parts of the pairs.
        settings: Settings.
        say: Receives a line of progress.

    Raises:
        ArgumentError: The name of a bridge is unknown.

    """
    old, new = material.fit
    validation = material.validation.old, material.validation.new
    naive = make_bridge(NAIVE).fit(old, new)
    bridges = [bridge for name in settings.bridges if name != NAIVE for bridge in _sides(name)]
    moments = moments_of(old, new), moments_of(*validation)
    k = min(settings.k, len(material.validation.old))
    truth = material.validation.truth_at(k)
    found = []
    for bridge in bridges:
        say(f"fitting {bridge.name}, {bridge.side} side")
        start = perf_counter()
        if isinstance(bridge, FitsMoments):
            given = moments if bridge.side == "gallery" else (moments[0].swapped, moments[1].swapped)
            bridge.fit_moments(*given)
        else:
            bridge.fit(old, new, validation)
        seconds = perf_counter() - start
        items = bridged(bridge, material.validation, k)
        quality = torch.from_numpy(query_figures(items, truth, k, first=False)[f"recall@{k}"]).nanmean().item()
        cosine = mean_cosine(bridge, *validation)
        found.append(Candidate(bridge, BridgeScore(bridge.name, bridge.side, quality, cosine, seconds)))
    return Fitted(tuple(found), naive)


def _sides(name: str) -> Sequence[Bridge]:
    bridge: Bridge = make_bridge(name)
    if not isinstance(bridge, FitsMoments):
        return [bridge]
    return [make_bridge(name, side="query"), make_bridge(name, side="gallery")]


def bridged(bridge: Bridge, part: Part, k: int) -> Tensor:
    """Return the items that a bridge finds for the queries of a part, ``(Q, k)``."""
    if bridge.side == "query":
        return search({"": bridge.transform(part.query_new)}, part.old, k)[""].items
    return search({"": part.query_new}, part.old, k, bridge.transform)[""].items


def calibration(bridge: Bridge, validation: Part, k: int = 50) -> tuple[float, float]:
    """Return the line from the scores of a query's bridge to those of the new model, fitted on the validation.

    The pairs are the queries and the ``k`` items that each finds in the old gallery.

    Args:
        bridge: Bridge of the side ``query``.
        validation: Part that is not measured.
        k: Items of each query.

    """
    found = search({"": bridge.transform(validation.query_new)}, validation.old, min(k, len(validation.old)))[""]
    return score_line(found.scores, cosines_of(validation.query_new, validation.new, found.items))


def cosines_of(query: Tensor, gallery: VectorSet, items: Tensor) -> Tensor:
    """Return the cosines of each query and the items of its list, ``(Q, K)``.

    Example:
        >>> import numpy as np
        >>> cosines_of(torch.tensor([[0.0, 2.0]]), VectorSet(np.eye(2)), torch.tensor([[1, 0]]))
        tensor([[1., 0.]])

    """
    unit = torch.nn.functional.normalize
    unique, place = items.unique(return_inverse=True)
    rows = unit(rows_at(gallery, unique.numpy()), dim=1)
    return torch.einsum("qkd,qd->qk", rows[place], unit(query.float(), dim=1))
