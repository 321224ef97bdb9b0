"""Recipe of a small CLIP to pre-train. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from clsim.config.models.hashing import recipe_hash
from clsim.config.models.teacher import TeacherBlock

CaptionSource = Literal["shapes", "tiny_imagenet32", "flickr8k"]
TRAINER = 1  # raised when a change of the code changes the weights of a recipe


class ClipRecipe(BaseModel):
    """Small open_clip model to train on pairs of images and captions, from scratch or on top of a teacher.

    Recipes that differ in anything but ``shipped`` make different models.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["clip"]
    dataset: CaptionSource | tuple[CaptionSource, ...] = Field(description="source of the pairs")
    image_size: PositiveInt = 32
    patch_size: PositiveInt = 4
    width: PositiveInt = Field(192, description="width of the image tower")
    layers: PositiveInt = Field(6, description="layers of the image tower")
    heads: PositiveInt = Field(3, description="attention heads of the image tower")
    text_width: PositiveInt = 128
    text_layers: PositiveInt = 4
    embed_dim: PositiveInt = Field(128, description="length of the embeddings")
    vocabulary: int = Field(1024, ge=514, description="maximum number of text tokens, of these 514 bytes and marks")
    context_length: int = Field(32, ge=4, description="maximum number of tokens in a text")
    images: PositiveInt = Field(50_000, description="pairs per epoch")
    epochs: PositiveInt = 10
    batch_size: int = Field(256, ge=2)
    lr: PositiveFloat = Field(1e-3, description="maximum learning rate, after the warm-up")
    warmup: float = Field(0.05, ge=0, lt=1, description="fraction of all steps")
    weight_decay: float = Field(0.1, ge=0)
    precision: Literal["bf16", "fp32"] = "bf16"
    seed: int = 0
    shipped: str | None = Field(None, description="name of the weights in the package")
    teacher: TeacherBlock | None = Field(
        None, description="ImageNet classifier whose features the image tower reads; null: the tower reads pixels"
    )

    @model_validator(mode="after")
    def _fits(self) -> ClipRecipe:
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} is no multiple of patch_size {self.patch_size}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        if self.text_width % self.head_width:
            raise ValueError(f"text_width {self.text_width} is no multiple of width / heads, {self.head_width}")
        if "shapes" in self.sources and len(self.sources) > 1:
            raise ValueError("shapes cannot be mixed with other data sets")
        if self.teacher and set(self.sources) != {"tiny_imagenet32", "flickr8k"}:
            raise ValueError("a teacher needs labeled and captioned images: dataset: [tiny_imagenet32, flickr8k]")
        return self

    @property
    def head_width(self) -> int:
        """Width of an attention head in both towers."""
        return self.width // self.heads

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the data sets, in their order."""
        return (self.dataset,) if isinstance(self.dataset, str) else tuple(self.dataset)

    @property
    def hash(self) -> str:
        """Hash that names the weights: 16 hexadecimal digits over everything but ``shipped``."""
        fields = self.model_dump(mode="json", exclude={"shipped"} if self.teacher else {"shipped", "teacher"})
        fields["dataset"] = list(self.sources)
        return recipe_hash(TRAINER, fields)

    def versions(self) -> tuple[ClipRecipe, ...]:
        """Return the models to make: this one."""
        return (self,)

    def architecture(self, vocabulary: int) -> dict[str, Any]:
        """Return the arguments of ``open_clip.model.CLIP`` for a vocabulary of this size."""
        return {
            "embed_dim": self.embed_dim,
            "quick_gelu": False,
            "vision_cfg": {
                "image_size": self.image_size,
                "patch_size": self.patch_size,
                "width": self.width,
                "layers": self.layers,
                "head_width": self.head_width,
            },
            "text_cfg": {
                "context_length": self.context_length,
                "vocab_size": vocabulary,
                "width": self.text_width,
                "heads": self.text_width // self.head_width,
                "layers": self.text_layers,
            },
        }
