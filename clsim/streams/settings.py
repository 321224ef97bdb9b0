"""Schema of the block ``stream:``, one model for each kind. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from clsim.utils.block import Block, Seed

DRAWN = "drawn"
"""Value of a key that the scenario's seeds draw."""


class DrawnSplits(Block):
    """Few-shot images drawn by a seed of their own, instead of the standard lists."""

    draw: Seed = Field(description="seed of the draw")


class DrawnOrder(Block):
    """Order of classes drawn by a seed of its own."""

    seed: Seed = Field(description="seed of the order")


class AnyStreamBlock(Block):
    """Keys of every stream."""

    has_classes: ClassVar[bool] = False

    kind: str
    dataset: str
    image_size: int | None = Field(default=None, ge=8, le=1024, description="side in pixels; null: the data set's own")

    def summary(self, sessions: int | None) -> list[str]:
        """Return the stream in short phrases; ``sessions`` is ``None`` if it depends on data that is not loaded."""
        if sessions is None:
            return ["sessions as the data allow"]
        return [f"{sessions} session{'' if sessions == 1 else 's'}"]


class StreamBlock(AnyStreamBlock):
    """Keys of every stream of classes."""

    has_classes: ClassVar[bool] = True

    dataset: str = Field(description="a known data set, or folder:PATH for a folder or an archive of images")
    class_order: Literal["natural", "drawn"] | DrawnOrder | list[int] = Field(
        default="natural",
        description="natural, drawn by seeds.classes or {seed: N}, or a list of all class ids",
    )


class SessionsBlock(StreamBlock):
    """Sessions that bring new classes, the same number in each but the first."""

    base_classes: int = Field(ge=1, description="classes of the base session")
    ways: int = Field(ge=1, description="new classes in every later session")
    sessions: int | None = Field(
        default=None,
        ge=0,
        description="sessions after the base session; null: all classes",
    )


class FscilStream(SessionsBlock):
    """Few-shot class-incremental learning: a large base session, then sessions of few classes and images."""

    kind: Literal["fscil"]
    shots: int = Field(ge=1, description="training images of every class in a later session")
    splits: Literal["standard", "drawn"] | DrawnSplits = Field(
        default="standard", description="few-shot images: standard lists, drawn by seeds.shots or {draw: N}"
    )


class FullSessionsBlock(SessionsBlock):
    """Sessions with all training images of their classes, or the first ones."""

    images_per_class: int | None = Field(
        default=None, ge=1, description="training images of every class, the first ones; null: all"
    )


class IncrementalStream(FullSessionsBlock):
    """Class-incremental learning: every session brings new classes with many images."""

    kind: Literal["incremental"]


class ListedReplacement(Block):
    """Replacement model with a given moment, either before a session or during one."""

    model: str = Field(description="name in models")
    before: int | None = Field(default=None, ge=0, description="session before which it arrives; 0 is the base session")
    during: int | None = Field(default=None, ge=0, description="session during which it arrives")
    after_iterations: int | None = Field(
        default=None, ge=1, description="training iterations of the session before it arrives"
    )


class PoissonProcess(Block):
    """Poisson process that draws moments."""

    rate: float = Field(gt=0, description="average number of arrivals per session")
    seed: Seed = Field(description="seed of the moments")


class DrawnReplacements(Block):
    """Replacement models at drawn moments, one after the other, until there are no more or the stream ends."""

    poisson: PoissonProcess = Field(description="process that draws the moments")
    models: list[str] = Field(min_length=1, description="names in models, in order of arrival")
    initial: str | None = Field(default=None, description="model that is in service before the first session")


class ReplacementStream(FullSessionsBlock):
    """Class-incremental learning into which replacement models arrive."""

    kind: Literal["replacement"]
    replacements: list[ListedReplacement] | DrawnReplacements = Field(description="models and their moments")

    def summary(self, sessions: int | None) -> list[str]:
        """Return the sessions and the replacements."""
        given = self.replacements
        if isinstance(given, DrawnReplacements):
            arriving = f"up to {len(given.models) + (given.initial is not None)} replacements at drawn moments"
        else:
            arriving = f"{len(given) or 'no'} replacement{'' if len(given) == 1 else 's'}"
        return [*super().summary(sessions), arriving]


class UpgradeStream(StreamBlock):
    """Every session trains a new model on more classes or images, which queries the index of the one before."""

    kind: Literal["upgrade"]
    classes: list[PositiveInt] = Field(min_length=1, description="number of classes of every session, never decreasing")
    images_per_class: PositiveInt | Annotated[list[PositiveInt], Field(min_length=1)] | None = Field(
        default=None, description="training images of every class, the first ones, for all sessions or for each"
    )

    load: list[str | None] | None = Field(
        default=None, description="for each session a name in models to load, or null to train"
    )

    def summary(self, sessions: int | None) -> list[str]:
        """Return the sessions and their classes."""
        return [*super().summary(sessions), " -> ".join(map(str, self.classes)) + " classes"]


class TextUpgradeStream(AnyStreamBlock):
    """Every session brings an image-text model, which queries the index of the one before."""

    kind: Literal["text_upgrade"]
    dataset: str = Field(description="a known set of images with captions, or captions:PATH for a table of them")
    load: list[str] = Field(min_length=1, description="for each session the name of a CLIP in models")
    pairs: PositiveInt | None = Field(
        default=None, description="captioned training images of every session, the first ones; null: all"
    )

    def summary(self, sessions: int | None) -> list[str]:
        """Return the sessions and their models."""
        return [*super().summary(sessions), " -> ".join(self.load)]


Stream = Annotated[
    FscilStream | IncrementalStream | ReplacementStream | UpgradeStream | TextUpgradeStream,
    Field(discriminator="kind"),
]
