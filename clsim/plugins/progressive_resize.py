"""Training on small images first: the early epochs cost a fraction and teach nearly as much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from avalanche.training.plugins import SupervisedPlugin
from pydantic import Field
from torch.nn import functional as F

from clsim.plugins.state import AttributeState
from clsim.utils.arguments import Count, checked
from clsim.utils.template import Template


class ProgressiveResize(AttributeState, SupervisedPlugin[Any]):
    """Shrinks the training images of the base session, less from epoch to epoch.

    Args:
        sizes: Sides in pixels, each for an equal part of the epochs. Smaller images are left alone, so a last size of
            at least the images' own means full resolution.

    Source: the idea of fast.ai's DAWNBench entry (2018) and of EfficientNetV2 (arXiv 2104.00298), section 4.

    Example:
        >>> ProgressiveResize([16, 24, 32]).sizes
        (16, 24, 32)

    """

    state_names: ClassVar[tuple[str, ...]] = ("_size",)

    @checked
    def __init__(self, sizes: Annotated[Sequence[Count], Field(min_length=1)]) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self._size = self.sizes[0]

    def before_training_epoch(self, strategy: Template, **kwargs: Any) -> None:
        """Choose the size of this epoch; sessions after the base session train at full resolution."""
        epoch, epochs = strategy.clock.train_exp_epochs, strategy.train_epochs
        first = strategy.experience.current_experience == 0
        self._size = self.sizes[epoch * len(self.sizes) // epochs] if first else max(self.sizes)

    def before_forward(self, strategy: Template, **kwargs: Any) -> None:
        """Shrink the batch, antialiased."""
        images = strategy.mbatch[0]
        if self._size < images.shape[-1]:
            strategy.mbatch[0] = F.interpolate(images, (self._size,) * 2, mode="bilinear", antialias=True)
