"""The image tower of a CLIP as a backbone."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from clsim.models.clip import LoadedClip


class ClipImageTower(nn.Module):
    """Trainable image tower of a CLIP, from images in [0, 1] to ``(B, num_features)``.

    Args:
        clip: Loaded CLIP.

    """

    def __init__(self, clip: LoadedClip) -> None:
        super().__init__()
        visual: Any = clip.model.visual
        self.preprocess = clip.preprocess()
        self.visual = visual.requires_grad_(True)
        self.num_features = int(visual.output_dim)
        self.weights_sha256 = clip.sha256
        self.clip_facts = clip.facts()

    def forward(self, images: Tensor) -> Tensor:
        """Return features before normalization."""
        features: Tensor = self.visual(self.preprocess(images))
        return features
