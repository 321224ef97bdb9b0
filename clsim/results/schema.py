"""Schema of a run's files: the keys that a verification reads, and their types; other keys are allowed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Shape(BaseModel):
    """A block of a file, without type conversion."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)


class ForgettingShape(Shape):
    """Both definitions of forgetting."""

    from_best: float | None
    from_first: float | None


class CalibrationShape(Shape):
    """Calibration of the served probabilities."""

    ece: Share | None
    nll: Annotated[float, Field(ge=0)] | None
    brier: Annotated[float, Field(ge=0, le=2)] | None


class CompatibilityShape(Shape):
    """Comparison of a version with those before it."""

    self_test: Share
    cross_tests: list[Share]
    also: dict[str, list[Share]]
    ac: Share | None
    am: Share
    against_first: float | None
    backward_compatibility: float | None
    negative_flip_rate: Share | None
    positive_flip_rate: Share | None
    update_gain: float | None
    relative_negative_flip_rate: Annotated[float, Field(ge=0)] | None = None
    reindex_recall: Share | None = None


class ServiceShape(Shape):
    """Search service of a session."""

    accuracy: Share
    gallery_items: Count
    items_by_version: list[Count]
    images_not_reprocessed: Count
    device_seconds_saved: float


class SessionShape(Shape):
    """The record of a session."""

    session: Count
    new_classes: list[int]
    seen_classes: Count
    accuracy: Share | None
    base_accuracy: Share | None
    novel_accuracy: Share | None
    harmonic_mean: Share | None
    accuracy_by_session: list[Share | None]
    forgetting: ForgettingShape | None
    calibration: CalibrationShape | None = None
    compatibility: CompatibilityShape | None
    service: ServiceShape | None
    metrics: dict[str, float | None] = {}


class RepeatedShape(Shape):
    """A figure over the draws."""

    n: Annotated[int, Field(ge=1)]
    mean: float
    deviation: float | None
    interval: Annotated[list[float], Field(min_length=2, max_length=2)] | None
    values: list[float | None]


class DrawsShape(Shape):
    """Figures over the draws of the shots."""

    confidence: Annotated[float, Field(gt=0, lt=1)]
    seeds: list[Count]
    figures: dict[str, RepeatedShape]


class ResultsShape(Shape):
    """``results.json``."""

    scenario: str
    strategy: str
    seed: int
    status: Literal["complete", "interrupted", "failed"]
    stands_in_for: dict[str, Any] | None
    validation: dict[str, Any] | None = None
    sessions: list[SessionShape]
    summary: dict[str, Any]
    accuracy_matrix: list[list[Share | None]]
    compatibility_matrix: list[list[Share | None]] | None
    matrices: dict[str, list[list[Share | None]]]
    draws: DrawsShape | None = None


class ManifestShape(Shape):
    """``manifest.json``; keys that earlier versions did not write are optional."""

    scenario: str
    strategy: str
    seed: int
    device: str
    platform: str
    clsim: str
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    packages: dict[str, str | None]
    hashes: dict[str, str]
    stands_in_for: dict[str, Any] | None
    split_lists: dict[str, str] = {}
    test_images: list[Count] | None = None
    files: dict[str, str] | None = None


class ConfusedShape(Shape):
    """A class of ``confusion.json``; examples are embedded pictures."""

    label: Count = Field(alias="class")
    name: str
    images: Annotated[int, Field(ge=1)]
    correct: Count
    mistaken_for: list[Annotated[list[Count], Field(min_length=2, max_length=2)]]
    examples: list[Annotated[str, Field(pattern=r"^data:image/png;base64,[A-Za-z0-9+/=]*$")]]


class ConfusionShape(Shape):
    """``confusion.json``."""

    session: Count
    classes: list[ConfusedShape]
