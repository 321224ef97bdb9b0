"""Cross-tests between images and texts: queries by each version in the indexes of earlier ones, in both directions."""

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
from clsim.metrics.flip_tests import FIGURES, flip_record
from clsim.metrics.functional.retrieval import NO_MATCH, match_ranks
from clsim.metrics.functional.similarity import unit_rows
from clsim.metrics.protocols import ModelOnDevice
from clsim.metrics.search_service import SearchService
from clsim.metrics.version_tests import VersionTests
from clsim.models.protocols import TextEmbedder, frozen_backbone
from clsim.utils.device import autocast, device_time, precision_of

DIRECTIONS = ("image_to_text", "text_to_image")
"""Search directions, from query to result."""


def pair_ranks(
    images: Tensor, texts: Tensor, old_images: Tensor, old_texts: Tensor, items: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the rank of the first correct result for each query by one version in the index of another.

    Args:
        images: Image features by the querying version, ``(N, D)``.
        texts: Text features by the querying version, ``(T, D)``.
        old_images: Indexed image features, ``(N, d)``.
        old_texts: Indexed text features, ``(T, d)``.
        items: Image of each text, ``(T,)``.

    Returns:
        Ranks from 1 of images that search their texts, ``(N,)``, and of texts that search their image, ``(T,)``.
        Features of different widths find nothing.

    Example:
        >>> pair_ranks(torch.eye(2), torch.eye(2), torch.eye(2), torch.eye(2).flip(0), torch.tensor([0, 1]))
        (tensor([2, 2]), tensor([1, 1]))

    """
    numbers = torch.arange(len(images), device=images.device)
    if images.shape[1] != old_images.shape[1]:
        return torch.full_like(numbers, NO_MATCH), torch.full_like(items, NO_MATCH)
    return (
        match_ranks(images.float(), numbers, old_texts.float(), items),
        match_ranks(texts.float(), items, old_images.float(), numbers),
    )


class PairTests(VersionTests):
    """Cross-test matrix of image-text models: the mean of recall@K over both directions.

    Each version embeds images and texts once. Features are scaled to length 1 and rounded to float16, as in
    :class:`~clsim.metrics.cross_test.CrossTests`. Features of different widths cannot be compared and score 0. The
    model needs ``embed`` and ``features_of``, see :class:`~clsim.models.image_text.ImageTextModel`.

    Args:
        pairs: Images with captions. Both sides are queries and index.
        k: Cut-off rank K of the matrix.
        also: Further K, for which the record holds the rows by direction.
        strict: Whether a cross-test must exceed the older self-test to count as compatible, or may equal it.
        batch_size: Images or texts per batch of a pass.
        folder: Folder for the features of all versions, texts as ``query`` and images as ``gallery``; ``None`` stores
            no files.
        service: Simulated search service that indexes each version. Texts search images.

    Raises:
        ValueError: There are no images, or a K is below 1.

    Example:
        >>> pairs = CaptionedImages(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), (("a cat",), ("a dog",)), "pets")
        >>> PairTests(pairs, k=5).result()  # before the first version
        []

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
        service: SearchService | None = None,
    ) -> None:
        if not len(pairs):
            raise ValueError("pairs: expected images with captions, got none")
        if min((k, *also)) < 1:
            raise ValueError(f"recall@K: expected K of at least 1, got {(k, *also)}")
        self.pairs = pairs
        self.k = k
        self.counts = tuple(dict.fromkeys((k, *also)))
        self.batch_size = batch_size
        self._files = None if folder is None else FeatureFiles(folder)
        self._items = pairs.items.cpu()
        self._numbers = torch.arange(len(pairs))
        super().__init__(strict=strict, service=service)

    def reset(self) -> None:
        """Discard all versions; the next one is version 0."""
        super().reset()
        self._indexes: list[tuple[Tensor, Tensor]] = []
        self._ranks: tuple[Tensor, Tensor] | None = None
        self._rows: dict[str, list[float]] = {}
        if self.service is not None:
            self.service.open(self._items, self._numbers)

    def record(self) -> dict[str, Any] | None:
        """Return the ``compatibility`` record of the last version; ``None`` before the first.

        As :meth:`CrossTests.record <clsim.metrics.cross_test.CrossTests.record>`, with these differences:

        - ``also`` holds the row of each K and direction, under names like ``recall@5/image_to_text``.
        - ``compatible`` states for each of these names whether the cross-test beats the previous version.
        - Flip rates are at the matrix's K and averaged over both directions. Positive minus negative flip rate is the
          gain of the cross-test over the previous self-test.
        - ``constraints`` is ``None``: they are defined on classes.

        """
        return self._record

    def measure(self, strategy: ModelOnDevice) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Extract the features of the version and return its records, see :meth:`record`."""
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
            f"recall@{count}/{direction}": [_recall(pair[side], count) for pair in ranks]
            for count in self.counts
            for side, direction in enumerate(DIRECTIONS)
        }
        one, other = (also[f"recall@{self.k}/{direction}"] for direction in DIRECTIONS)
        self.matrix.append([(to_text + to_image) / 2 for to_text, to_image in zip(one, other, strict=True)])
        record = {**self._matrix_record(also, compatible=self._compatible(also)), **self._flips(ranks)}
        return record, None if self.service is None else self.service.index(texts, images, seconds)

    def _flips(self, ranks: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Any]:
        """Return flip rates and update gain, and store the version's ranks in its own index for the next one."""
        last, self._ranks = self._ranks, ranks[-1]
        if last is None:
            return dict.fromkeys(FIGURES)
        correct = [(old <= self.k, new <= self.k) for old, new in zip(last, ranks[-2], strict=True)]
        return flip_record(self.matrix, correct)

    def _compatible(self, also: dict[str, list[float]]) -> dict[str, bool] | None:
        """Return for each row whether this version's queries beat the previous version in its own index."""
        before, self._rows = self._rows, also
        if not before:
            return None
        beats = operator.gt if self.strict else operator.ge
        return {name: beats(row[-2], before[name][-1]) for name, row in also.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the results and indexes of the versions so far."""
        return {**super().state_dict(), "_indexes": self._indexes, "_ranks": self._ranks, "_rows": self._rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a :meth:`state_dict`."""
        super().load_state_dict(state)
        self._indexes, self._ranks, self._rows = state["_indexes"], state["_ranks"], state["_rows"]

    def _extract(self, strategy: ModelOnDevice) -> tuple[Tensor, Tensor, float]:
        """Return the features of images and texts on the strategy's device, and the seconds per image."""
        model, device, precision = strategy.model, torch.device(strategy.device), precision_of(strategy)
        if not isinstance(model, TextEmbedder):
            raise TypeError(
                f"{type(model).__name__} needs methods embed(images) and features_of(texts) for search between images "
                "and texts"
            )
        self.passes += 1
        started = device_time(device)
        images = extract_features(
            model.embed,
            self.pairs,
            device=device,
            batch_size=self.batch_size,
            precision=precision,
            backbone=frozen_backbone(model),
        )
        seconds = (device_time(device) - started) / len(images)
        with autocast(device, precision):
            texts = model.features_of(self.pairs.texts, size=self.batch_size)
        stored = unit_rows(texts).half()
        check_stored(stored, "texts")
        return images, stored, seconds

    def _save(self, files: FeatureFiles, images: Tensor, texts: Tensor, strategy: ModelOnDevice) -> None:
        hashes = {"pairs_sha256": self.pairs.sha256}
        files.save_labels(self._items, self._numbers, hashes)
        info = {"criterion": f"recall@{self.k}", "model": type(strategy.model).__name__, **hashes}
        files.save(len(self.matrix), texts, images, info)


def recompute_pairs(folder: Path, k: int = 1) -> dict[str, list[list[float]]]:
    """Return the cross-test matrices of stored features, without a model.

    Args:
        folder: Folder of :class:`~clsim.metrics.feature_files.FeatureFiles` that a :class:`PairTests` wrote.
        k: Cut-off rank of recall@K.

    Returns:
        Lower-triangular rows for each of :data:`DIRECTIONS`, equal to those of the run for each K that it measured.

    Raises:
        UserError: A file is missing or damaged.

    Example:
        >>> from tempfile import mkdtemp
        >>> files = FeatureFiles(Path(mkdtemp()))
        >>> files.save_labels(torch.arange(2), torch.arange(2))
        >>> files.save(0, query=torch.eye(2).half(), gallery=torch.eye(2).half())
        >>> recompute_pairs(files.folder)
        {'image_to_text': [[1.0]], 'text_to_image': [[1.0]]}

    """
    files, matrices = FeatureFiles(folder), {direction: list[list[float]]() for direction in DIRECTIONS}
    labels = files.load_labels()
    versions = [files.load(version, labels) for version in range(files.versions())]
    for number, new in enumerate(versions):
        ranks = [
            pair_ranks(new.gallery, new.query, old.gallery, old.query, labels.query) for old in versions[: number + 1]
        ]
        for side, direction in enumerate(DIRECTIONS):
            matrices[direction].append([_recall(pair[side], k) for pair in ranks])
    return matrices


def _recall(ranks: Tensor, k: int) -> float:
    return int((ranks <= k).sum()) / len(ranks)
