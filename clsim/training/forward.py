"""How a model's forward pass is run: as it stands, compiled, or replayed as a CUDA graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from clsim.device import Precision, autocast

Compile = Literal["auto", "on", "off"]
How = Literal["as it is", "compiled", "graph"]

COMPILED_FROM = 5000
"""Steps of a session that are worth the minute that compiling takes, on a GPU."""
GRAPHED_FROM = 16
"""Steps of a session that are worth the few that recording a graph takes."""


def choose(compile: Compile, device: torch.device, steps: int, *, replayable: bool) -> How:
    """How to run the forward pass in a session of so many steps.

    ``auto`` leaves it as it is on a CPU, where compiling CPE-CLIP's small model took a minute and gained a tenth. On a
    GPU long sessions are compiled, and short ones, in which launching a step's kernels takes longer than the kernels,
    are replayed as a graph if the model says that it may be.

    Args:
        compile: ``on`` and ``off`` are always and never compiled.
        device: where the model runs.
        steps: of the session.
        replayable: whether the model does the same on every batch of a session, on the same parameters.

    Example:
        >>> choose("auto", torch.device("cuda"), 35, replayable=True)
        'graph'

    """
    if compile != "auto" or device.type != "cuda":
        return "compiled" if compile == "on" else "as it is"
    if steps >= COMPILED_FROM:
        return "compiled"
    return "graph" if replayable and steps >= GRAPHED_FROM else "as it is"


class ForwardPass:
    """Runs a model the way that was chosen, and keeps what compiling and recording made.

    A graph is recorded for a session's usual batch and goes on with the model's parameters, wherever the optimiser
    moves them; a batch of another shape runs as it is. Where recording fails, that is said once and nothing is lost.

    Args:
        compile: see :func:`choose`.

    """

    def __init__(self, compile: Compile = "auto") -> None:
        self.compile: Compile = compile
        self.how: How = "as it is"
        self._compiled: tuple[nn.Module, Callable[[Tensor], Any]] | None = None
        self._graph: tuple[tuple[Any, ...], Callable[[Tensor], Any]] | None = None
        self._shape: torch.Size | None = None
        self._failed = False

    @property
    def plain(self) -> bool:
        """Whether the model is simply called."""
        return self.how == "as it is"

    def start(self, model: nn.Module, device: torch.device, steps: int) -> None:
        """An epoch begins in a session of so many steps; a graph of an earlier one is not trusted any more."""
        replayable = bool(getattr(model, "replayable", False)) and not self._failed
        self.how = choose(self.compile, device, steps, replayable=replayable)
        self._shape = None

    def stop(self) -> None:
        """A session is over; what was recorded is let go, and evaluation runs as it is, or compiled."""
        self._graph = None
        self.how = "compiled" if self.how == "compiled" else "as it is"

    def __call__(self, model: nn.Module, images: Tensor, precision: Precision) -> Any:
        """The model's output, under the precision that it is called in."""
        if self.how == "compiled":
            if self._compiled is None or self._compiled[0] is not model:
                self._compiled = (model, cast(Callable[[Tensor], Any], torch.compile(model)))
            return self._compiled[1](images)
        if self.how == "graph" and model.training:
            return self._replayed(model, images, precision)
        return model(images)

    def _replayed(self, model: nn.Module, images: Tensor, precision: Precision) -> Any:
        if self._shape is None:
            self._shape = images.shape  # of an epoch's first batch; only the last is smaller
        if images.shape != self._shape:
            return model(images)
        # Held, so that what the graph reads cannot be freed; compared by identity.
        held = (model, getattr(model, "scored_classes", None), images.shape)
        if self._graph is None or any(kept is not now for kept, now in zip(self._graph[0][:2], held[:2], strict=True)):
            try:
                self._graph = (held, _record(model, images, precision))
            except RuntimeError as error:
                warnings.warn(f"a CUDA graph could not be recorded, the session goes on without: {error}", stacklevel=2)
                self.how, self._failed = "as it is", True
                return model(images)
        return self._graph[1](images)


def _record(model: nn.Module, images: Tensor, precision: Precision) -> Callable[[Tensor], Any]:
    """A model's forward and backward pass as CUDA graphs, for batches of this shape."""
    wrapped = _Wrapped(model)
    with autocast(images.device, precision, cache=False):  # a cast weight would be cached outside the graph
        graphed = torch.cuda.make_graphed_callables(wrapped, (images.clone(),), allow_unused_input=True)
    return cast(Callable[[Tensor], Any], graphed)


class _Wrapped(nn.Module):
    """Recording replaces a module's ``forward``; the model's own stays as it is."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        return self.model(images)
