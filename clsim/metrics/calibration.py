"""Calibration of the served class probabilities from one pass over the test images."""

from __future__ import annotations

from typing import Any

import torch
from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import MetricValue
from torch import Tensor

from clsim.losses import excluded_columns
from clsim.metrics.functional.calibration import ImageScores, calibration_error, score_images
from clsim.metrics.protocols import StreamEvaluatingStrategy
from clsim.utils.numbers import finite

Figures = dict[str, float | None]


def calibration_figures(scores: ImageScores) -> Figures:
    """Return ECE, NLL and Brier score by name; a figure that is not finite is ``None``.

    Args:
        scores: Scores of all images, on the CPU.

    Example:
        >>> calibration_figures(score_images(torch.zeros(2, 2), torch.tensor([0, 1])))
        {'ece': 0.0, 'nll': 0.6931471824645996, 'brier': 0.5}

    """
    usable = len(scores.confidence) and bool(scores.confidence.isfinite().all())
    return {
        "ece": calibration_error(scores.confidence, scores.correct) if usable else None,
        "nll": finite(float(scores.log_loss.double().mean())),
        "brier": finite(float(scores.squared_error.double().mean())),
    }


class Calibration(PluginMetric[Figures]):
    """ECE, NLL and Brier score of the served probabilities, for any Avalanche strategy.

    The probabilities are the softmax of the model's outputs over the classes of the evaluated sessions: in clsim those
    seen so far. The outputs are taken as served, at the model's own temperature. Those of a cosine classifier without a
    scale lie in [-1, 1], so their softmax is nearly uniform and the figures say so. A prediction is the most probable
    class among those seen; accuracy also counts a vote for a class not seen yet, as wrong.

    Scores stay on the device, 16 bytes for each image, and are read once at the end of an evaluation.

    Attributes:
        figures: Figures of the last finished evaluation; empty before the first one.

    Example:
        >>> Calibration().result()  # before the first evaluation
        {}

    """

    def __init__(self) -> None:
        super().__init__()
        self.figures: Figures = {}
        self.reset()

    def result(self) -> Figures:
        """Return the figures of the last finished evaluation."""
        return self.figures

    def reset(self) -> None:
        """Discard the evaluation in progress."""
        self._classes: list[int] = []
        self._excluded: Tensor | None = None
        self._width = 0
        self._batches: list[Tensor] = []

    def state_dict(self) -> dict[str, Any]:
        """Return no state: scores start from none at each evaluation."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing: there is no state."""

    def before_eval(self, strategy: StreamEvaluatingStrategy) -> None:
        """Start with no images, and the classes of the evaluated sessions."""
        self.reset()
        sessions = strategy.current_eval_stream
        self._classes = sorted({label for session in sessions for label in session.classes_in_this_experience})

    def after_eval_iteration(self, strategy: StreamEvaluatingStrategy) -> None:
        """Add a batch."""
        logits = strategy.mb_output
        if logits.shape[1] != self._width:  # the first batch
            self._width = logits.shape[1]
            self._excluded = self._mask(logits)
        self._batches.append(torch.stack(score_images(logits, strategy.mb_y, self._excluded)))

    def after_eval(self, strategy: StreamEvaluatingStrategy) -> list[MetricValue] | None:
        """Read the scores from the device and return the figures."""
        if not self._batches:
            return None
        self.figures = calibration_figures(ImageScores(*torch.cat(self._batches, dim=1).cpu()))
        self._batches = []
        step = strategy.clock.train_iterations
        known = {name: value for name, value in self.figures.items() if value is not None}
        return [MetricValue(self, f"clsim/{name}", value, step) for name, value in known.items()]

    def _mask(self, logits: Tensor) -> Tensor | None:
        """Return the columns of classes not seen yet, ``None`` if there are none."""
        seen = [label for label in self._classes if label < self._width]
        if len(seen) == self._width:
            return None
        return excluded_columns(self._width, torch.tensor(seen).to(logits.device, non_blocking=True))
