"""The record of a session, as ``results.json`` holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

NOT_BEFORE = ("train_flops", "eval_flops", "calibration")
"""Fields that earlier versions did not write; a record without a value does not name them."""
Block = dict[str, Any]
"""Nested figures of a record, by their keys in ``results.json``."""


@dataclass(frozen=True)
class SessionRecord:
    """Figures of one session; fractions, seconds, counts and bytes. Fields are in the order of the file.

    Attributes:
        session: Number of the session; 0 is the base session.
        new_classes: Classes that no earlier session had.
        seen_classes: Number of classes seen so far; 0 for images with captions.
        replaced_by: Name of the model that the session ended with, if it was replaced.
        replacements: Every replacement of the session, with its iteration and time.
        accuracy: Accuracy on the test images of all classes seen so far.
        base_accuracy: Accuracy on the classes of the base session.
        novel_accuracy: Accuracy on the classes of all later sessions.
        harmonic_mean: Harmonic mean of the two.
        accuracy_by_session: Accuracy on the classes of each session so far; ``None`` where there is no test image.
        calibration: ``ece``, ``nll`` and ``brier`` of the served probabilities; ``None`` where nothing is classified.
        forgetting: Forgetting ``from_best`` and ``from_first``; ``None`` if it was not measured.
        compatibility: The version against those before it; ``None`` if versions were not compared.
        service: The search service; ``None`` if it was not simulated.
        metrics: Custom metrics by name.
        training: Loss and accuracy of every epoch; ``None`` where nothing is classified.
        train_seconds: Device time of training.
        eval_seconds: Device time of evaluation.
        images_trained: Number of images in all training batches.
        iterations: Number of training iterations.
        train_flops: Floating-point operations of these iterations; ``None`` if they could not be counted.
        eval_flops: Floating-point operations of the evaluation, likewise.
        diagnostics: Figures that the model gives of itself, by name.
        trainable_parameters: Number of parameters that receive a gradient.
        peak_memory_bytes: Most memory in use at once; ``None`` if it is not known.
        others: Keys of another version of clsim, stored without change.

    """

    session: int
    new_classes: list[int] = field(default_factory=list)
    seen_classes: int = 0
    replaced_by: str | None = None
    replacements: list[Block] = field(default_factory=list)
    accuracy: float | None = None
    base_accuracy: float | None = None
    novel_accuracy: float | None = None
    harmonic_mean: float | None = None
    accuracy_by_session: list[float | None] = field(default_factory=list)
    forgetting: dict[str, float | None] | None = None
    compatibility: Block | None = None
    service: Block | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    training: dict[str, list[float | None]] | None = None
    train_seconds: float = 0.0
    eval_seconds: float = 0.0
    images_trained: int = 0
    iterations: int = 0
    train_flops: int | None = None
    eval_flops: int | None = None
    diagnostics: dict[str, float | None] = field(default_factory=dict)
    trainable_parameters: int = 0
    peak_memory_bytes: int | None = None
    calibration: dict[str, float | None] | None = None
    others: Block = field(default_factory=dict)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SessionRecord:
        """Read a record; keys that an earlier version did not write have their defaults.

        Example:
            >>> SessionRecord.from_dict({"session": 1, "accuracy": 0.5, "odd": 2}).others
            {'odd': 2}

        """
        known = {each.name for each in fields(cls)} - {"others"}
        found = {key: value for key, value in content.items() if key in known}
        return cls(**found, others={key: value for key, value in content.items() if key not in known})

    def to_dict(self) -> dict[str, Any]:
        """Return the record with the keys of ``results.json``."""
        content = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "others"}
        content = {key: value for key, value in content.items() if value is not None or key not in NOT_BEFORE}
        return {**content, **self.others}


@dataclass(frozen=True)
class Summary:
    """Figures of all sessions so far. Fields are in the order of the file.

    Attributes:
        average_accuracy: Mean of the accuracies after each session.
        average_accuracy_weighted: The same, weighted by the number of test images.
        final_accuracy: Accuracy after the last session.
        performance_drop: Accuracy after the base session minus accuracy after the last one.
        average_forgetting: Mean forgetting from the best earlier accuracy; ``None`` if it was not measured.
        generalized_accuracy: Area under gAcc; ``None`` unless the base session has more classes than later ones.
        ac: Average compatibility; ``None`` if versions were not compared.
        am: Average multi-model accuracy; likewise.
        service: Sums of what the search service saved; ``None`` if it was not simulated.

    """

    average_accuracy: float | None
    average_accuracy_weighted: float | None
    final_accuracy: float | None
    performance_drop: float | None
    average_forgetting: float | None
    generalized_accuracy: float | None
    ac: float | None
    am: float | None
    service: dict[str, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the summary with the keys of ``results.json``."""
        return asdict(self)
