"""A backbone with a learnable linear classifier, and the image tower of a CLIP as a backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from clsim.models.preprocess import Preprocess

if TYPE_CHECKING:
    from clsim.models.clip import LoadedClip


class LinearClassifier(nn.Module):
    """``W f(x) + b`` over all class ids of a data set.

    Args:
        backbone: images in [0, 1] to ``(B, backbone.num_features)``.
        classes: number of class ids.

    """

    def __init__(self, backbone: nn.Module, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        width: Any = backbone.num_features
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, classes)``."""
        logits: Tensor = self.head(self.backbone(images))
        return logits


class ClipImageTower(nn.Module):
    """The image tower of a CLIP, trainable, as a backbone: images in [0, 1] to ``(B, num_features)``."""

    def __init__(self, clip: LoadedClip) -> None:
        super().__init__()
        visual: Any = clip.model.visual
        self.preprocess = Preprocess(clip.mean, clip.std, clip.image_size)
        self.visual = visual.requires_grad_(True)
        self.num_features = int(visual.output_dim)
        self.weights_sha256 = clip.sha256

    def forward(self, images: Tensor) -> Tensor:
        """Image features before normalisation."""
        features: Tensor = self.visual(self.preprocess(images))
        return features
