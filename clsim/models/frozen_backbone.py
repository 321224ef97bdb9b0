"""A frozen backbone that accepts its own features in place of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from clsim.models.features.cache import FeatureCache
from clsim.models.features.key import FeatureKey, TensorVersion, feature_key, versions_of
from clsim.utils.errors import ArgumentError

LAYOUT = torch.channels_last
"""Memory layout of images and weights, in which convolutions on the CPU are faster."""


class DigestedImages(Protocol):
    """Images with a digest of each: :class:`~clsim.data.Images` or :class:`~clsim.data.CaptionedImages`."""

    @property
    def pixels(self) -> Tensor:
        """Images, uint8 ``(N, 3, H, W)``."""

    @property
    def digests(self) -> Sequence[bytes]:
        """Digest of each image."""


class Origin:
    """Identity of a backbone, which its copies share."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Origin:
        """Return this object."""
        return self


class BackboneFeatures(Tensor):
    """Batch of features that names its origin, so that no other backbone takes it for its own.

    Attributes:
        origin: Origin of the backbone that it belongs to; None for a part of a batch.

    """

    origin: Origin | None = None


class FrozenBackbone(nn.Module):
    """Backbone that nothing trains: always in evaluation mode, without gradients.

    A batch is images, or rows of features that this backbone returned for them earlier. Rows pass through unchanged. So
    a classifier on top learns and predicts on stored features without a pass of the backbone.

    Args:
        module: Network from images in [0, 1], ``(B, 3, H, W)``, to ``(B, module.num_features)``. Its parameters are
            frozen in place.
        name: Name for progress and ``clsim cache status``; None: its class.
        cache: Cache of features; None: that of the environment, see ``$CLSIM_FEATURES``.

    Attributes:
        num_features: Length ``D`` of a row.

    Example:
        >>> body = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
        >>> body.num_features = 5
        >>> backbone = FrozenBackbone(body)
        >>> rows = backbone(torch.rand(2, 3, 2, 2))
        >>> backbone(rows) is rows, backbone.train().training, rows.requires_grad
        (True, False, False)

    """

    def __init__(self, module: nn.Module, *, name: str | None = None, cache: FeatureCache | None = None) -> None:
        super().__init__()
        width: Any = module.num_features
        self.num_features = int(width)
        self.module = module.requires_grad_(False).to(memory_format=LAYOUT)
        self.name = type(module).__name__ if name is None else name
        self.cache = FeatureCache() if cache is None else cache
        self.origin = Origin()
        self._keys: dict[tuple[str, str], FeatureKey] = {}
        self._hashed: tuple[TensorVersion, ...] = ()
        self.train()

    def train(self, mode: bool = True) -> FrozenBackbone:
        """Stay in evaluation mode, also while the classifier trains."""
        return super().train(False)

    def forward(self, batch: Tensor) -> Tensor:
        """Return features ``(B, D)`` in float32 of images ``(B, 3, H, W)``, or a batch ``(B, D)`` of them unchanged.

        Raises:
            ArgumentError: The batch is neither images nor rows of this length, or names another backbone.

        """
        if isinstance(batch, BackboneFeatures):
            if batch.origin is not None and batch.origin is not self.origin:
                raise ArgumentError(f"a batch of features of another backbone than {self.name}")
            return batch.as_subclass(Tensor)
        if batch.ndim == 2 and batch.shape[1] == self.num_features and batch.is_floating_point():
            return batch
        if batch.ndim != 4:
            what = f"a batch must be images (B, 3, H, W) or features (B, {self.num_features})"
            raise ArgumentError(f"{what}, got {str(batch.dtype).removeprefix('torch.')} {list(batch.shape)}")
        with torch.no_grad():
            features: Tensor = self.module(batch.contiguous(memory_format=LAYOUT))
        return features.float()

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next((tensor.device for tensor in (*self.parameters(), *self.buffers())), torch.device("cpu"))

    def key(self, precision: str = "fp32") -> FeatureKey:
        """Return the address of this backbone's features; computed once for the same weights."""
        now = versions_of((*self.parameters(), *self.buffers()))
        if now != self._hashed:
            self._hashed, self._keys = now, {}
        asked = (precision, self.device.type)
        if asked not in self._keys:
            self._keys[asked] = feature_key(self.module, self.num_features, precision=precision, device=self.device)
        return self._keys[asked]

    def features_of(self, images: DigestedImages, indices: Tensor | None = None, *, precision: str = "fp32") -> Tensor:
        """Return features of images ``(N, D)`` in float32 on the backbone's device, from the cache where they are.

        Features that are not there are computed in batches of one size and stored. With the cache off, all are computed
        in the same way.

        Args:
            images: Images or captioned images.
            indices: Positions of the N images; None: all.
            precision: Precision of the forward pass.

        Example:
            >>> from tempfile import mkdtemp
            >>> from pathlib import Path
            >>> from clsim.data import Images
            >>> from clsim.models.features.folder import FeatureFolder
            >>> body = nn.Flatten()
            >>> body.num_features = 12
            >>> backbone = FrozenBackbone(body, cache=FeatureCache(FeatureFolder(Path(mkdtemp()), 10**6)))
            >>> images = Images(torch.zeros(4, 3, 2, 2, dtype=torch.uint8), [0, 1, 0, 1], ("cat", "dog"), "pets")
            >>> backbone.features_of(images, torch.tensor([3, 1])).shape
            torch.Size([2, 12])

        """
        at = torch.arange(len(images.pixels)) if indices is None else indices.cpu()
        digests = [images.digests[index] for index in at.tolist()]

        def load(positions: Sequence[int]) -> Tensor:
            return images.pixels[at[list(positions)].to(images.pixels.device)]

        device = self.device
        rows = self.cache.features(self, self.key(precision), load, digests, name=self.name, device=device)
        return rows.to(device, non_blocking=True)

    def owned(self, rows: Tensor) -> BackboneFeatures:
        """Return a batch of this backbone's features that names its origin; another backbone refuses it."""
        batch = rows.as_subclass(BackboneFeatures)
        batch.origin = self.origin
        return batch
