"""The schema of ``stream:``, one model for every kind. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from clsim.utils.block import Block, Seed

DRAWN = "drawn"
"""What a stream says of that which the scenario's seeds are to draw."""


class DrawnSplits(Block):
    """Few-shot images drawn anew instead of the standard lists, by a seed that no other seed of the scenario moves."""

    draw: Seed = Field(description="seed of the draw")


class DrawnOrder(Block):
    """Classes that arrive in a drawn order, likewise."""

    seed: Seed = Field(description="seed of the order")


class AnyStreamBlock(Block):
    """What every stream says: what arrives."""

    kind: str
    dataset: str
    image_size: int | None = Field(default=None, ge=8, le=1024, description="side in pixels; null: the data set's own")

    def summary(self, sessions: int | None) -> list[str]:
        """What comes, in a few words each; `sessions` is None where only the loaded data can tell."""
        if sessions is None:
            return ["sessions as the data allow"]
        return [f"{sessions} session{'' if sessions == 1 else 's'}"]


class StreamBlock(AnyStreamBlock):
    """What a stream of classes says: whose classes arrive, and in which order."""

    dataset: str = Field(description="a known data set, or folder:PATH for a folder or an archive of images")
    class_order: Literal["natural", "drawn"] | DrawnOrder | list[int] = Field(
        default="natural",
        description="natural, drawn by seeds.classes or {seed: N}, or every class id once in order of arrival",
    )


class SessionsBlock(StreamBlock):
    """Sessions that bring new classes, as many in each but the first."""

    base_classes: int = Field(ge=1, description="classes of the base session")
    ways: int = Field(ge=1, description="new classes in every later session")
    sessions: int | None = Field(
        default=None,
        ge=0,
        description="sessions after the base session; as many as use up all classes if null",
    )


class FscilStream(SessionsBlock):
    """Few-shot class-incremental learning: a large base session, then sessions of few classes and images."""

    kind: Literal["fscil"]
    shots: int = Field(ge=1, description="training images of every class in a later session")
    splits: Literal["standard", "drawn"] | DrawnSplits = Field(
        default="standard", description="which images are the few: standard lists, drawn by seeds.shots or {draw: N}"
    )


class FullSessionsBlock(SessionsBlock):
    """Sessions that bring all images of their classes, or the first so many."""

    images_per_class: int | None = Field(
        default=None, ge=1, description="the first so many training images of every class; null: all"
    )


class IncrementalStream(FullSessionsBlock):
    """Class-incremental learning: every session brings new classes with many images."""

    kind: Literal["incremental"]


class ListedReplacement(Block):
    """A model that arrives at a given moment, either before a session or during one."""

    model: str = Field(description="its name in models")
    before: int | None = Field(default=None, ge=0, description="session before which it arrives, 0 the base session")
    during: int | None = Field(default=None, ge=0, description="session during which it arrives")
    after_iterations: int | None = Field(
        default=None, ge=1, description="training iterations of that session that come first"
    )


class PoissonProcess(Block):
    """Moments that are independent of each other."""

    rate: float = Field(gt=0, description="arrivals a session, on average")
    seed: Seed = Field(description="of the moments")


class DrawnReplacements(Block):
    """Models that arrive one after the other at drawn moments, until they run out or the stream ends."""

    poisson: PoissonProcess = Field(description="the process that draws the moments")
    models: list[str] = Field(min_length=1, description="their names in models, in order of arrival")
    initial: str | None = Field(default=None, description="a model that is there before the first session")


class ReplacementStream(FullSessionsBlock):
    """Class-incremental learning, into which better models arrive from elsewhere."""

    kind: Literal["replacement"]
    replacements: list[ListedReplacement] | DrawnReplacements = Field(
        description="models and the moments when they arrive"
    )

    def summary(self, sessions: int | None) -> list[str]:
        """The sessions and what arrives in them."""
        given = self.replacements
        if isinstance(given, DrawnReplacements):
            arriving = f"up to {len(given.models) + (given.initial is not None)} replacements at drawn moments"
        else:
            arriving = f"{len(given) or 'no'} replacement{'' if len(given) == 1 else 's'}"
        return [*super().summary(sessions), arriving]


class UpgradeStream(StreamBlock):
    """Every session trains a new model on more classes or images than the one before; queries meet its index."""

    kind: Literal["upgrade"]
    classes: list[PositiveInt] = Field(min_length=1, description="of every session, the first so many; rising")
    images_per_class: PositiveInt | Annotated[list[PositiveInt], Field(min_length=1)] | None = Field(
        default=None, description="the first so many training images of every class, in all sessions or in each"
    )

    load: list[str | None] | None = Field(
        default=None, description="for each session a name in models, which is not trained, or null"
    )

    def summary(self, sessions: int | None) -> list[str]:
        """The sessions and their classes."""
        return [*super().summary(sessions), " -> ".join(map(str, self.classes)) + " classes"]


class TextUpgradeStream(AnyStreamBlock):
    """Every session brings an image-text model, whose queries meet the index of the one before."""

    kind: Literal["text_upgrade"]
    dataset: str = Field(description="a known set of images with captions, or captions:PATH for a table of them")
    load: list[str] = Field(min_length=1, description="for each session the name of a CLIP in models")
    pairs: PositiveInt | None = Field(
        default=None, description="training images with captions of every session, the first so many; null: all"
    )

    def summary(self, sessions: int | None) -> list[str]:
        """The sessions and their models."""
        return [*super().summary(sessions), " -> ".join(self.load)]


Stream = Annotated[
    FscilStream | IncrementalStream | ReplacementStream | UpgradeStream | TextUpgradeStream,
    Field(discriminator="kind"),
]
