"""Cross-tests between images and texts: queries by every version on the indexes of those before, both ways."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clsim.data.core.captioned import CaptionedImages
from clsim.metrics.extraction import check_stored, extract_features
from clsim.metrics.feature_files import FeatureFiles
from clsim.metrics.functional.compatibility import (
    average_compatibility,
    average_multimodel_accuracy,
    backward_compatibility,
    gain_over_first,
    update_gain,
)
from clsim.metrics.functional.flips import flip_rates
from clsim.metrics.functional.retrieval import NO_MATCH, match_ranks
from clsim.metrics.functional.similarity import unit_rows
from clsim.metrics.search_service import ServiceView
from clsim.metrics.version_tests import VersionTests
from clsim.utils.device import autocast_of, device_time

DIRECTIONS = ("image_to_text", "text_to_image")
"""What is asked with, and what is found."""


def pair_ranks(
    images: Tensor, texts: Tensor, old_images: Tensor, old_texts: Tensor, items: Tensor
) -> tuple[Tensor, Tensor]:
    """Rank of the first right answer to each query by one version on the index of another.

    Args:
        images: ``(N, D)``, by the version that asks.
        texts: ``(T, D)``, by the same.
        old_images: ``(N, d)``, stored.
        old_texts: ``(T, d)``, stored.
        items: the image of every text, ``(T,)``.

    Returns:
        Ranks from 1 of images that look for one of their texts, ``(N,)``, and of texts that look for their image,
        ``(T,)``; of features of different widths nothing is found.

    """
    numbers = torch.arange(len(images), device=images.device)
    if images.shape[1] != old_images.shape[1]:
        return torch.full_like(numbers, NO_MATCH), torch.full_like(items, NO_MATCH)
    return (
        match_ranks(images.float(), numbers, old_texts.float(), items),
        match_ranks(texts.float(), items, old_images.float(), numbers),
    )


class PairTests(VersionTests):
    """Fills the cross-test matrix of image-text models: the mean of recall@K in both directions.

    Each version embeds images and texts once. Features have length 1 and are rounded to float16, as with
    :class:`~clsim.metrics.cross_test.CrossTests`; widths that differ cannot be compared, and count as 0. The model
    needs ``embed`` and ``features_of``, see :class:`~clsim.models.image_text.ImageTextModel`.

    Args:
        pairs: images and their captions: queries and index at once, each on the other side.
        k: of the matrix.
        also: further K, of which the record holds the rows by direction.
        strict: whether a cross-test must beat the older self-test to count as compatible; else a tie will do.
        batch_size: images or texts a batch of a pass.
        folder: for the features of all versions, texts as ``query`` and images as ``gallery``.
        service: is shown every version, too: texts look for images.

    Raises:
        ValueError: there are no images, or a K below 1.

    """

    def __init__(
        self,
        pairs: CaptionedImages,
        *,
        k: int = 1,
        also: Sequence[int] = (),
        strict: bool = True,
        batch_size: int = 256,
        folder: Path | None = None,
        service: ServiceView | None = None,
    ) -> None:
        if not len(pairs):
            raise ValueError("cross-tests need images with captions")
        if min((k, *also)) < 1:
            raise ValueError(f"recall@K counts from 1; got {(k, *also)}")
        self.pairs = pairs
        self.k = k
        self.counts = tuple(dict.fromkeys((k, *also)))
        self.strict = strict
        self.batch_size = batch_size
        self.service = service
        self._files = None if folder is None else FeatureFiles(folder)
        self._items = pairs.items.cpu()
        self._numbers = torch.arange(len(pairs))
        super().__init__()

    def reset(self) -> None:
        """Forgets every version; the next one is version 0."""
        super().reset()
        self._indexes: list[tuple[Tensor, Tensor]] = []
        self._ranks: tuple[Tensor, Tensor] | None = None
        self._rows: dict[str, list[float]] = {}
        if self.service is not None:
            self.service.open(self._items, self._numbers)

    def record(self) -> dict[str, Any] | None:
        """The ``compatibility`` record of the last version; ``None`` before the first.

        As :meth:`CrossTests.record <clsim.metrics.cross_test.CrossTests.record>`, except that

        - ``also`` holds the whole row of every K and direction, by names like ``recall@5/image_to_text``;
        - ``compatible`` says for each of these names whether the criterion of compatibility holds against the version
          before;
        - flips are counted at the matrix's K, and are the mean of both directions; so positive less negative flips is
          what the cross-test is above the self-test before;
        - there are no ``constraints``, which are defined on classes.

        """
        return self._record

    def measure(self, strategy: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Takes images and texts through the version; see :meth:`record`."""
        images, texts, seconds = self._extract(strategy)
        if self._files is not None:
            self._save(self._files, images, texts, strategy)
        self._indexes.append((images.cpu(), texts.cpu()))
        items = self._items.to(images.device)
        ranks = [
            pair_ranks(images, texts, old_images.to(images.device), old_texts.to(images.device), items)
            for old_images, old_texts in self._indexes
        ]
        also = {
            f"recall@{count}/{direction}": [_share(pair[side], count) for pair in ranks]
            for count in self.counts
            for side, direction in enumerate(DIRECTIONS)
        }
        one, other = (also[f"recall@{self.k}/{direction}"] for direction in DIRECTIONS)
        row = [(to_text + to_image) / 2 for to_text, to_image in zip(one, other, strict=True)]
        self.matrix.append(row)
        record = {
            "self_test": row[-1],
            "cross_tests": row[:-1],
            "also": also,
            "compatible": self._compatible(also),
            "ac": average_compatibility(self.matrix, self.strict),
            "am": average_multimodel_accuracy(self.matrix),
            "against_first": gain_over_first(self.matrix),
            "backward_compatibility": backward_compatibility(self.matrix),
            **self._against_before(ranks),
        }
        return record, None if self.service is None else self.service.enrol(texts, images, seconds)

    def _against_before(self, ranks: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Any]:
        """Flips and update gain; the last version's ranks on its own index are kept for the next."""
        last, self._ranks = self._ranks, ranks[-1]
        figures: dict[str, Any] = dict.fromkeys(
            ("negative_flip_rate", "positive_flip_rate", "update_gain", "constraints")
        )
        if last is not None:
            flips = [flip_rates(old <= self.k, new <= self.k) for old, new in zip(last, ranks[-2], strict=True)]
            negative, positive = (sum(rates) / len(DIRECTIONS) for rates in zip(*flips, strict=True))
            gain = update_gain(self.matrix[-1][-2], self.matrix[-2][-1], self.matrix[-1][-1])
            figures |= {"negative_flip_rate": negative, "positive_flip_rate": positive, "update_gain": gain}
        return figures

    def _compatible(self, also: dict[str, list[float]]) -> dict[str, bool] | None:
        """For each row whether the query by this version beats the one before on that one's own index."""
        before, self._rows = self._rows, also
        if not before:
            return None
        beats = operator.gt if self.strict else operator.ge
        return {name: beats(row[-2], before[name][-1]) for name, row in also.items()}

    def state_dict(self) -> dict[str, Any]:
        """What is kept of the versions so far."""
        kept = {name: getattr(self, name) for name in ("_indexes", "_ranks", "_rows")}
        return {**super().state_dict(), **kept, "service": None if self.service is None else self.service.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` gave."""
        super().load_state_dict(state)
        self._indexes, self._ranks, self._rows = state["_indexes"], state["_ranks"], state["_rows"]
        if self.service is not None:
            self.service.load_state_dict(state["service"])

    def _extract(self, strategy: Any) -> tuple[Tensor, Tensor, float]:
        """Features of images and texts, on the strategy's device, and the seconds an image took."""
        model, device = strategy.model, torch.device(strategy.device)
        missing = [name for name in ("embed", "features_of") if not hasattr(model, name)]
        if missing:
            raise TypeError(
                f"{type(model).__name__} has no {missing[0]}(...), which search between images and texts needs"
            )
        self.passes += 1
        started = device_time(device)
        images = extract_features(
            model.embed,
            self.pairs,
            device=device,
            batch_size=self.batch_size,
            precision=getattr(strategy, "precision", "fp32"),
        )
        seconds = (device_time(device) - started) / len(images)
        with autocast_of(strategy):
            texts = model.features_of(self.pairs.texts, size=self.batch_size)
        stored = unit_rows(texts).half()
        check_stored(stored, "texts")
        return images, stored, seconds

    def _save(self, files: FeatureFiles, images: Tensor, texts: Tensor, strategy: Any) -> None:
        hashes = {"pairs_sha256": self.pairs.sha256}
        files.save_labels(self._items, self._numbers, hashes)
        info = {"criterion": f"recall@{self.k}", "model": type(strategy.model).__name__, **hashes}
        files.save(len(self.matrix), texts, images, info)


def recompute_pairs(folder: Path, k: int = 1) -> dict[str, list[list[float]]]:
    """Cross-test matrices of stored features, without a model.

    Args:
        folder: of the :class:`~clsim.metrics.feature_files.FeatureFiles` that a :class:`PairTests` wrote.
        k: of recall@K.

    Returns:
        Lower-triangular rows for each of :data:`DIRECTIONS`; the run's own for a K that it measured.

    Raises:
        UserError: files are missing or damaged.

    """
    files, matrices = FeatureFiles(folder), {direction: list[list[float]]() for direction in DIRECTIONS}
    labels = files.load_labels()
    versions = [files.load(version, labels) for version in range(files.versions())]
    for number, asks in enumerate(versions):
        ranks = [
            pair_ranks(asks.gallery, asks.query, old.gallery, old.query, labels.query) for old in versions[: number + 1]
        ]
        for side, direction in enumerate(DIRECTIONS):
            matrices[direction].append([_share(pair[side], k) for pair in ranks])
    return matrices


def _share(ranks: Tensor, count: int) -> float:
    return int((ranks <= count).sum()) / len(ranks)
