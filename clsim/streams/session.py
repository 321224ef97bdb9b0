"""Sessions with their images both as resident tensors and as an Avalanche data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from avalanche.benchmarks import DatasetExperience
from avalanche.benchmarks.utils.classification_dataset import TaskAwareSupervisedClassificationDataset
from torch import Tensor
from torch.utils.data import Dataset

from clsim.data.core.images import Images
from clsim.utils.avalanche import supervised_dataset

if TYPE_CHECKING:
    from clsim.streams.replacements import Replacement


@dataclass(frozen=True)
class ResidentView:
    """Subset of resident images, without a copy.

    Attributes:
        images: Resident images.
        indices: Positions of the subset ``(N,)``, on the CPU, where orders are drawn.

    """

    images: Images
    indices: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "indices", self.indices.cpu())

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def labels(self) -> Tensor:
        """Class ids ``(N,)``."""
        return self.images.labels[self.indices]


class _Items(Dataset[tuple[Tensor, int]]):
    """Items of a view for other loaders: image in [0, 1] and class id."""

    def __init__(self, view: ResidentView) -> None:
        self.view = view
        self.targets: list[int] = view.labels.tolist()

    def __len__(self) -> int:
        return len(self.view)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = self.view.images.pixels[int(self.view.indices[index])]
        return pixels.to(torch.float32) / 255, self.targets[index]


class Session(DatasetExperience[TaskAwareSupervisedClassificationDataset]):
    """Avalanche experience with resident images.

    Besides Avalanche's ``dataset`` of ``(x, y, t)`` items and its timeline of classes, it has ``resident``, the same
    images as a :class:`ResidentView`, and ``replacements``, the models that arrive before or during its training,
    ordered by time. A plugin may set ``dataset``, as BiC does to hold images out.
    """

    def __init__(
        self,
        view: ResidentView,
        session: int,
        classes: Iterable[int],
        previous: Iterable[int],
        every: Iterable[int],
        replacements: Iterable[Replacement] = (),
    ) -> None:
        items = supervised_dataset(_Items(view))
        super().__init__(dataset=items, current_experience=session)
        self._built, self._view = items, view
        self.replacements = tuple(replacements)
        self.task_labels = [0]
        self.task_label = 0
        self.classes_in_this_experience = set(classes)
        self.previous_classes = set(previous)
        self.classes_seen_so_far = self.previous_classes | self.classes_in_this_experience
        self.future_classes = set(every) - self.classes_seen_so_far

    @property
    def dataset(self) -> TaskAwareSupervisedClassificationDataset:
        """Items to train on."""
        items: TaskAwareSupervisedClassificationDataset = super().dataset
        return items

    @dataset.setter
    def dataset(self, items: TaskAwareSupervisedClassificationDataset) -> None:
        self._dataset = items

    @property
    def resident(self) -> ResidentView:
        """Resident images of the session.

        Raises:
            AttributeError: ``dataset`` was set to other items.

        """
        if self._dataset is not self._built:
            raise AttributeError(
                f"the data set of session {self.current_experience} was changed: its images are no resident view; "
                "use its dataset"
            )
        return self._view


def resident_view(experience: object) -> ResidentView | None:
    """Return the resident images of an experience, None for those of other streams or with a changed data set."""
    if not isinstance(experience, Session):
        return None
    try:
        return experience.resident
    except AttributeError:  # a plugin set another data set
        return None


def replacements_of(experience: object) -> tuple[Replacement, ...]:
    """Return the replacements of an experience, none for those of other streams."""
    return experience.replacements if isinstance(experience, Session) else ()


def sessions_from_views(
    views: Sequence[ResidentView],
    class_blocks: Sequence[Sequence[int]],
    replacements: Sequence[Replacement] = (),
    cumulative: bool = False,
) -> list[Session]:
    """Return one :class:`Session` for every view.

    Args:
        views: Images of every session.
        class_blocks: Classes new in every session.
        replacements: Replacements of all sessions, ordered by time.
        cumulative: Whether a session also holds the classes of all earlier ones.

    """
    every = [label for block in class_blocks for label in block]
    sessions, seen = [], set[int]()
    for session, (view, block) in enumerate(zip(views, class_blocks, strict=True)):
        incoming = [replacement for replacement in replacements if replacement.session == session]
        present = seen | set(block) if cumulative else block
        sessions.append(Session(view, session, present, seen, every, incoming))
        seen |= set(block)
    return sessions
