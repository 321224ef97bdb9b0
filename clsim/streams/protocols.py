"""Interface between streams and the engine. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from clsim.data.core.captioned import CaptionDataSet
    from clsim.data.core.images import DataSet
    from clsim.streams.session import Session

Task = Literal["classification", "image_text"]
"""Classification of images with class ids, or retrieval of images by captions and of captions by images."""


class IncomingModel(Protocol):
    """A model trained elsewhere that arrives in a stream."""

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
        """Possible kinds of the stream, from :data:`~clsim.streams.kinds.KINDS`."""

    @property
    def dataset(self) -> DataSet | CaptionDataSet:
        """Data set that the stream is made from."""

    @property
    def class_blocks(self) -> tuple[tuple[int, ...], ...]:
        """New classes of each session; empty if images have no class ids."""

    @property
    def train_stream(self) -> Sequence[Session]:
        """Training sessions."""

    @property
    def test_stream(self) -> Sequence[Session]:
        """Test sessions."""

    @property
    def incoming(self) -> Mapping[str, IncomingModel]:
        """Models trained elsewhere, by name."""

    @property
    def tested_images(self) -> list[int]:
        """Number of test images that the accuracy after each session averages over."""

    def __len__(self) -> int:
        """Return the number of sessions."""
