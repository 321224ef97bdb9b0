"""Recipe of a classifier to pre-train, whose backbone replaces a model in a stream. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from clsim.config.models.hashing import recipe_hash
from clsim.data.facts import FACTS

Head = Literal["simplex", "learnable"]
HEADS: tuple[Head, ...] = ("simplex", "learnable")
TRAINER = 2  # raised when a change of the code changes the weights of a recipe


class ClassifierRecipe(BaseModel):
    """Backbone to train from scratch on the first classes of a data set.

    Of two models with the same head, the one trained on more classes is the better one, as in arXiv 2405.02581 (100,
    300 and 600 classes of ImageNet at 32 pixels). Without a ``head`` the recipe makes two models, one for strategies
    with a simplex and one for those with a learnable classifier.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["classifier"]
    dataset: str = Field(description="a known data set; of shapes, classes that are not in the stream")
    classes: int = Field(ge=2, description="number of classes, the first ones")
    backbone: str = Field("resnet8x4", description="small residual network of clsim or timm model")
    dimensions: PositiveInt | None = Field(
        None, description="features of the last residual block, without a ReLU; null: its width, after a ReLU"
    )
    head: Head | None = Field(None, description="simplex or learnable; null: as the strategy requires")
    vertices: int = Field(1024, ge=2, description="vertices of the simplex; class y uses vertex y")
    images_per_class: PositiveInt | None = Field(None, description="images of each class, the first ones; null: all")
    epochs: PositiveInt = 15
    batch_size: int = Field(128, ge=2)
    lr: PositiveFloat = Field(0.1, description="maximum learning rate of the one cycle of SGD")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    sizes: tuple[PositiveInt, ...] = Field((20, 24, 28, 32), description="side of the images over equal parts")
    crop_padding: int = Field(4, ge=0)
    cpu_workers: PositiveInt = Field(2, description="parts of a batch that a CPU computes side by side")
    precision: Literal["bf16", "fp32"] = "bf16"
    seed: int = 0
    shipped: str | None = Field(None, description="name of the weights in the package")

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
        """Names of the data sets."""
        return (self.dataset,)

    @property
    def hash(self) -> str:
        """Hash that names the weights; the recipe must have a head."""
        fields = self.model_dump(mode="json", exclude={"shipped"})
        fields["lanes"] = fields.pop("cpu_workers")  # the former name, so that models made before keep theirs
        if self.head == "learnable":
            del fields["vertices"]  # a learnable head has none
        if self.dimensions is None:
            del fields["dimensions"]  # keeps the hashes of models made before this field
        return recipe_hash(TRAINER, fields)

    def versions(self) -> tuple[ClassifierRecipe, ...]:
        """Return the models to make, one for each head."""
        return tuple(self.with_head(head) for head in ((self.head,) if self.head else HEADS))

    def with_head(self, head: Head) -> ClassifierRecipe:
        """Return the recipe with this head, unless it has one."""
        if self.head is not None:
            return self
        shipped = None if self.shipped is None else f"{self.shipped}-{head}"
        return self.model_copy(update={"head": head, "shipped": shipped})
