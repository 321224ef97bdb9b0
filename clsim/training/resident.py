"""The data side of the training template: batches from tensors that are on the device already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from avalanche.training.templates import SupervisedTemplate
from torch import Tensor

from clsim.data.core.images import Images
from clsim.data.core.transfer import moved
from clsim.streams.session import ResidentView, Session, resident_view
from clsim.training.loaders import ResidentBatches
from clsim.training.served_features import ServedFeatures
from clsim.utils.device import lies_on


class ResidentData(SupervisedTemplate[Session, Any, Any]):
    """Template whose loaders index resident images, unless a plugin supplies a loader or data set.

    A model that accepts features of its frozen backbone receives these in place of images, unless images are augmented.
    """

    augment: Callable[[Tensor], Tensor] | None
    order: torch.Generator
    _resident: dict[str, Images]

    def resident(self, view: ResidentView) -> ResidentView:
        """Return the view with its images on the strategy's device; each set of images moves there once."""
        images = view.images
        if lies_on(images.pixels, self.device):
            return view
        if images.sha256 not in self._resident:
            self._resident[images.sha256] = moved(images, self.device)
        return ResidentView(self._resident[images.sha256], view.indices)

    def served_features(self, view: ResidentView) -> ServedFeatures | None:
        """Return the features that stand in place of a view's images in training; None if images are augmented."""
        return None if self.augment is not None else ServedFeatures(self, view)

    def train_dataset_adaptation(self, **kwargs: Any) -> None:
        """Start from the session's own data set, so that a change by a plugin is detected."""
        self.adapted_dataset = self.experience.dataset

    def eval_dataset_adaptation(self, **kwargs: Any) -> None:
        """Start from the session's own data set, as in training."""
        self.train_dataset_adaptation()

    def make_train_dataloader(self, shuffle: bool = True, **kwargs: Any) -> None:
        """Create resident batches, or Avalanche's loader for a data set of a plugin or a stream that is not clsim's."""
        view = self._view()
        if view is None:
            super().make_train_dataloader(shuffle=shuffle, **kwargs)
        else:
            order, features = self.order if shuffle else None, self.served_features(view)
            self.dataloader = ResidentBatches(self.resident(view), self.train_mb_size, order, features=features)

    def make_eval_dataloader(self, **kwargs: Any) -> None:
        """Create resident batches in the order of the data, under the same conditions as in training."""
        view = self._view()
        if view is None:
            super().make_eval_dataloader(**kwargs)
        else:
            features = ServedFeatures(self, view)
            self.dataloader = ResidentBatches(self.resident(view), self.eval_mb_size, features=features)

    def _view(self) -> ResidentView | None:
        view = resident_view(self.experience)
        if view is None or self.adapted_dataset is not self.experience.dataset:
            return None
        return view

    def _unpack_minibatch(self) -> None:
        """Move the batch to the device, augment it while training, and scale bytes to [0, 1]."""
        if not isinstance(self.dataloader, ResidentBatches):  # resident batches are lists on the device already
            super()._unpack_minibatch()
        images = self.mbatch[0]
        if self.is_training and self.augment is not None:
            images = self.augment(images)
        if images.dtype == torch.uint8:
            images = images.to(torch.float32).div_(255)
        self.mbatch[0] = images
