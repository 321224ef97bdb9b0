"""A small CLIP to pre-train, as a scenario's ``models:`` block states it; imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from clsim.config.models.hashing import recipe_hash

CaptionSource = Literal["shapes", "tiny_imagenet32", "flickr8k"]
TRAINER = 1  # raised whenever the same recipe would give other weights for another reason than chance


class ClipRecipe(BaseModel):
    """A small open_clip model, trained from scratch on image-caption pairs.

    Two recipes that differ in anything but ``shipped`` are two models.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["clip"]
    dataset: CaptionSource | tuple[CaptionSource, ...] = Field(description="where the pairs come from")
    image_size: PositiveInt = 32
    patch_size: PositiveInt = 4
    width: PositiveInt = Field(192, description="of the image tower")
    layers: PositiveInt = Field(6, description="of the image tower")
    heads: PositiveInt = Field(3, description="of the image tower; the text tower's have the same width")
    text_width: PositiveInt = 128
    text_layers: PositiveInt = 4
    embed_dim: PositiveInt = Field(128, description="of the joint space")
    vocabulary: int = Field(1024, ge=514, description="text tokens at most, 514 of them bytes and marks")
    context_length: int = Field(32, ge=4, description="tokens of a text at most")
    images: PositiveInt = Field(50_000, description="pairs an epoch")
    epochs: PositiveInt = 10
    batch_size: int = Field(256, ge=2)
    lr: PositiveFloat = Field(1e-3, description="the peak, after the warm-up")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of all steps")
    weight_decay: float = Field(0.1, ge=0)
    precision: Literal["bf16", "fp32"] = "bf16"
    seed: int = 0
    shipped: str | None = Field(None, description="weights of this recipe in the package, by name")

    @model_validator(mode="after")
    def _fits(self) -> ClipRecipe:
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} is no multiple of patch_size {self.patch_size}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        if self.text_width % self.head_width:
            raise ValueError(f"text_width {self.text_width} is no multiple of width / heads, {self.head_width}")
        if "shapes" in self.sources and len(self.sources) > 1:
            raise ValueError("shapes is a world of its own: it mixes with no other data set")
        return self

    @property
    def head_width(self) -> int:
        """Of one attention head, in both towers."""
        return self.width // self.heads

    @property
    def sources(self) -> tuple[str, ...]:
        """The data sets, in the order given."""
        return (self.dataset,) if isinstance(self.dataset, str) else tuple(self.dataset)

    @property
    def hash(self) -> str:
        """Names the weights this recipe makes: 16 hexadecimal digits over everything but ``shipped``."""
        fields = self.model_dump(mode="json", exclude={"shipped"})
        fields["dataset"] = list(self.sources)
        return recipe_hash(TRAINER, fields)

    def versions(self) -> tuple[ClipRecipe, ...]:
        """The models to make: this one."""
        return (self,)

    def architecture(self, vocabulary: int) -> dict[str, Any]:
        """The keyword arguments of ``open_clip.model.CLIP``, for so many text tokens."""
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
