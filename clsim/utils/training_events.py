"""Events of a session's training, light enough for every package to import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SessionStarted:
    """A session begins to train.

    Attributes:
        session: Number of the session; 0 is the base session.
        new_classes: Number of classes that no earlier session had.
        images: Number of training images.
        epochs: Number of epochs.
        steps: Number of optimizer steps over all epochs; 0 if nothing is trained.

    """

    session: int
    new_classes: int
    images: int
    epochs: int
    steps: int


@dataclass(frozen=True)
class StepsDone:
    """Some more steps of the session are done.

    Attributes:
        epoch: Number of the current epoch; the first is 1.
        step: Number of steps since the session began.
        loss: Loss of the last step; ``None`` where reading it would have waited for the device.
        images_per_second: Mean training throughput since the session began.

    """

    epoch: int
    step: int
    loss: float | None
    images_per_second: float
