"""A classifier to pre-train, whose backbone later replaces a model in service; imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from clsim.config.models.hashing import recipe_hash
from clsim.data.facts import FACTS

Head = Literal["simplex", "learnable"]
HEADS: tuple[Head, ...] = ("simplex", "learnable")
TRAINER = 2  # raised whenever the same recipe would give other weights for another reason than chance


class ClassifierRecipe(BaseModel):
    """A backbone trained from scratch on the first classes of a data set.

    A model that is trained on more classes than another, with the same head, is a better model of the same family:
    the growing set of classes of arXiv 2405.02581 (100, 300 and 600 classes of ImageNet at 32 pixels). Without a
    ``head`` it is two models, one for strategies with a simplex and one for those with a learnable classifier.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["classifier"]
    dataset: str = Field(description="a known data set; of shapes, kinds that are no class of the stream")
    classes: int = Field(ge=2, description="the first so many classes")
    backbone: str = Field("resnet8x4", description="a small residual network of clsim or a timm model")
    dimensions: PositiveInt | None = Field(
        None, description="features that the last residual block emits, without a ReLU; null: its own width, behind one"
    )
    head: Head | None = Field(None, description="simplex or learnable; null: whichever the strategy asks for")
    vertices: int = Field(1024, ge=2, description="of the simplex; class y learns at vertex y")
    images_per_class: PositiveInt | None = Field(None, description="the first of each class; null: all")
    epochs: PositiveInt = 15
    batch_size: int = Field(128, ge=2)
    lr: PositiveFloat = Field(0.1, description="top of the one cycle of SGD")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    sizes: tuple[PositiveInt, ...] = Field((20, 24, 28, 32), description="side of the images over equal parts")
    crop_padding: int = Field(4, ge=0)
    lanes: PositiveInt = Field(2, description="parts of a batch that a CPU computes side by side")
    precision: Literal["bf16", "fp32"] = "bf16"
    seed: int = 0
    shipped: str | None = Field(None, description="weights of this recipe in the package, by name")

    @model_validator(mode="after")
    def _fits(self) -> ClassifierRecipe:
        if self.dataset not in FACTS:
            raise ValueError(f"there is no data set '{self.dataset}' (known: {', '.join(FACTS)})")
        if self.dataset != "shapes" and self.classes > FACTS[self.dataset].classes:
            raise ValueError(f"{self.classes} classes of {self.dataset}, which has {FACTS[self.dataset].classes}")
        if self.head != "learnable" and self.classes > self.vertices:
            raise ValueError(f"{self.classes} classes need as many vertices, not {self.vertices}")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """The data set, as the sources of other recipes are named."""
        return (self.dataset,)

    @property
    def hash(self) -> str:
        """Names the weights this recipe makes, of which one must have been chosen by :meth:`with_head`."""
        fields = self.model_dump(mode="json", exclude={"shipped"})
        if self.head == "learnable":
            del fields["vertices"]  # it has none
        if self.dimensions is None:
            del fields["dimensions"]  # models of before there was a choice keep their names
        return recipe_hash(TRAINER, fields)

    def versions(self) -> tuple[ClassifierRecipe, ...]:
        """The models to make, one for each head."""
        return tuple(self.with_head(head) for head in ((self.head,) if self.head else HEADS))

    def with_head(self, head: Head) -> ClassifierRecipe:
        """The same recipe with this head, unless it has one of its own."""
        if self.head is not None:
            return self
        shipped = None if self.shipped is None else f"{self.shipped}-{head}"
        return self.model_copy(update={"head": head, "shipped": shipped})
