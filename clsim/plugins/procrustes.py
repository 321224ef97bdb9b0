"""After its training a new model is turned to where the old one's features lie, in closed form."""

from __future__ import annotations

from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin

from clsim.losses import orthogonal_procrustes
from clsim.plugins.model_upgrade import ModelUpgrade
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.utils.arguments import checked


class Procrustes(SupervisedPlugin[Any]):
    """Turns the features of a new model, by :func:`~clsim.losses.orthogonal_procrustes`, to those of the old one.

    Both models look at the session's images, as they are and in evaluation mode. The new model must have
    ``turn(rotation)``. Nothing is learnt, and what the new model knows by itself stays as it is, unless its features
    are longer than the old ones.

    Put before the :class:`~clsim.plugins.ModelUpgrade`, which lets go of the old model when the session ends.

    Args:
        upgrade: has the old model.

    """

    @checked
    def __init__(self, upgrade: ModelUpgrade) -> None:
        super().__init__()
        self.upgrade = upgrade

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Finds the rotation and turns the model."""
        old: Any = self.upgrade.old
        if old is None:
            return
        new, _ = outputs_of(strategy.model.eval().embed, session_batches(strategy))
        wanted, _ = outputs_of(old.embed, session_batches(strategy))
        strategy.model.turn(orthogonal_procrustes(new, wanted))

    def rebuild_end(self, strategy: Any) -> None:
        """The structure of a model that was turned, see :class:`~clsim.experiment.checkpoint.snapshots.Snapshots`."""
        old: Any = self.upgrade.old
        if old is not None:
            model = strategy.model
            model.turn(torch.eye(model.dimensions, old.dimensions, device=strategy.device))
