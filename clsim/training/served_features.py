"""Features of a frozen backbone in place of images, for loaders."""

from __future__ import annotations

import torch
from torch import Tensor

from clsim.metrics.protocols import ModelOnDevice
from clsim.models.frozen_backbone import FrozenBackbone
from clsim.models.protocols import frozen_backbone
from clsim.streams.session import ResidentView
from clsim.utils.device import precision_of


class ServedFeatures:
    """Features of the images of a view by the model in service, looked up when the first batch asks for them.

    A plugin may replace the model between two batches. The features are then looked up again.

    Args:
        strategy: Template, whose model may accept features in place of images.
        view: Images to serve.

    """

    def __init__(self, strategy: ModelOnDevice, view: ResidentView) -> None:
        self.strategy = strategy
        self.view = view
        self._backbone: FrozenBackbone | None = None
        self._rows = self._row_of = torch.empty(0)

    def __call__(self, indices: Tensor) -> Tensor | None:
        """Return features ``(B, D)`` on the strategy's device; None if the model needs images.

        Args:
            indices: Positions of B images of the view in its data set.

        """
        backbone = frozen_backbone(self.strategy.model)
        if backbone is None:
            return None
        if backbone is not self._backbone:
            precision = precision_of(self.strategy)
            self._rows = backbone.features_of(self.view.images, self.view.indices, precision=precision)
            # An image that is not in the view has a row that does not exist.
            self._row_of = torch.full((len(self.view.images),), len(self.view))
            self._row_of[self.view.indices] = torch.arange(len(self.view))
            self._row_of = self._row_of.to(self._rows.device, non_blocking=True)
            self._backbone = backbone
        return backbone.owned(self._rows[self._row_of[indices.to(self._rows.device, non_blocking=True)]])
