"""What the engine asks of any stream. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from clsim.data.core.captioned import CaptionDataSet
    from clsim.data.core.images import DataSet
    from clsim.streams.session import Session

Task = Literal["classification", "image_text"]
"""Images with class ids to classify, or images to find by captions and captions by images."""


class IncomingModel(Protocol):
    """A model from elsewhere that comes in a stream."""

    @property
    def name(self) -> str:
        """Name in scenarios and results."""

    @property
    def sha256(self) -> str:
        """Hash of the weights."""


@runtime_checkable
class StreamLike(Protocol):
    """A stream as the engine sees it: :class:`~clsim.streams.Stream` or :class:`~clsim.streams.TextStream`."""

    @property
    def task(self) -> Task:
        """Task of the sessions."""

    @property
    def measures_forgetting(self) -> bool:
        """Whether a loss of accuracy on the test images of earlier sessions is forgetting."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of :data:`~clsim.streams.kinds.KINDS` that the stream may be of."""

    @property
    def dataset(self) -> DataSet | CaptionDataSet:
        """Data set that the stream was cut from."""

    @property
    def class_blocks(self) -> tuple[tuple[int, ...], ...]:
        """Classes new in every session; empty if images have no class ids."""

    @property
    def train_stream(self) -> Sequence[Session]:
        """Training sessions."""

    @property
    def test_stream(self) -> Sequence[Session]:
        """Test sessions."""

    @property
    def incoming(self) -> Mapping[str, IncomingModel]:
        """Models from elsewhere, by name."""

    @property
    def tested_images(self) -> list[int]:
        """Number of test images behind the accuracy after every session."""

    def __len__(self) -> int:
        """Return the number of sessions."""
