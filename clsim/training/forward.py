"""How a model's forward pass is run: as it stands, compiled, or replayed as a CUDA graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from clsim.utils.device import Precision, autocast

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
    are replayed as a graph if the model may be.

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
    moves them; a batch of another shape runs as it is. A model may be replayed if it has a method ``reads()`` that
    names what else its forward pass looks at: as long as these are the same objects, it does the same on every batch.
    Where ``auto`` finds that recording or compiling fails, that is said and the model runs as it is.

    Args:
        compile: see :func:`choose`.

    """

    def __init__(self, compile: Compile = "auto") -> None:
        self.compile: Compile = compile
        self.how: How = "as it is"
        self._compiled: tuple[nn.Module, Callable[[Tensor], Any]] | None = None
        self._tried = False
        self._graph: _Graph | None = None
        self._shape: torch.Size | None = None
        self._failed: set[How] = set()

    def start(self, model: nn.Module, device: torch.device, steps: int) -> None:
        """An epoch begins in a session of so many steps; its first batch says which shape is the usual one."""
        replayable = hasattr(model, "reads") and "graph" not in self._failed
        self.how = choose(self.compile, device, steps, replayable=replayable)
        if self.how == "compiled" and self.compile == "auto" and "compiled" in self._failed:
            self.how = "as it is"
        self._shape = None
        if self._compiled is not None and self._compiled[0] is not model:
            self._compiled = None

    def stop(self) -> None:
        """A session is over; what was recorded is let go, and evaluation runs as it is, or compiled."""
        self._graph = None
        self.how = "compiled" if self.how == "compiled" else "as it is"

    def __call__(self, model: nn.Module, images: Tensor, precision: Precision) -> Any:
        """The model's output, under the precision that it is called in."""
        if self.how == "compiled":
            return self._run_compiled(model, images)
        if self.how == "graph" and model.training:
            return self._replayed(model, images, precision)
        return model(images)

    def _run_compiled(self, model: nn.Module, images: Tensor) -> Any:
        if self._compiled is None or self._compiled[0] is not model:
            self._compiled, self._tried = (model, cast(Callable[[Tensor], Any], torch.compile(model))), False
        if self.compile == "on":
            return self._compiled[1](images)
        try:
            if torch.is_grad_enabled() and not self._tried:
                _try_backward(model, self._compiled[1], images)
                self._tried = True
            return self._compiled[1](images)
        except Exception as error:  # no compiler, no Triton: nobody has asked for one
            return self._give_up("compiled", error, model, images)

    def _replayed(self, model: nn.Module, images: Tensor, precision: Precision) -> Any:
        if self._shape is None:
            self._shape = images.shape  # only an epoch's last batch is smaller
        if images.shape != self._shape:
            return model(images)
        # Held, so that what the graph reads cannot be freed.
        read = (model, *cast(Any, model).reads())
        if self._graph is None or not self._graph.fits(read, images.shape):
            try:
                self._graph = _Graph(read, images.shape, _record(model, images, precision))
            except RuntimeError as error:
                return self._give_up("graph", error, model, images)
        # A copy: the next step overwrites what a graph gives.
        return self._graph.replay(images).clone()

    def _give_up(self, how: How, error: Exception, model: nn.Module, images: Tensor) -> Any:
        warnings.warn(f"the forward pass cannot run {how}; it goes on as it is: {error}", stacklevel=2)
        self._failed.add(how)
        self.how, self._compiled, self._graph = "as it is", None, None
        return model(images)


def _try_backward(model: nn.Module, compiled: Callable[[Tensor], Any], images: Tensor) -> None:
    """Have the backward pass compiled here, where a failure can still be answered; leaves all as it was.

    It is compiled at the first gradient, which comes when the losses and plugins of a step have been computed already.
    """
    state = [(buffer, buffer.clone()) for buffer in model.buffers()]
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        output = compiled(images)
        if isinstance(output, Tensor) and output.requires_grad:
            parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
            torch.autograd.grad(output.float().sum(), parameters, allow_unused=True)
    with torch.no_grad():
        for buffer, before in state:
            buffer.copy_(before)


@dataclass(frozen=True)
class _Graph:
    """A recording, and what it reads: the same objects, for batches of one shape."""

    read: tuple[Any, ...]
    shape: torch.Size
    replay: Callable[[Tensor], Any]

    def fits(self, read: tuple[Any, ...], shape: torch.Size) -> bool:
        same = len(read) == len(self.read) and all(now is then for now, then in zip(read, self.read, strict=True))
        return same and shape == self.shape


def _record(model: nn.Module, images: Tensor, precision: Precision) -> Callable[[Tensor], Any]:
    """A model's forward and backward pass as CUDA graphs, for batches of this shape."""
    wrapped = _Wrapped(model).train(model.training)
    # On the images' own device, which need not be the first; and a weight's cast would be cached outside the graph.
    with torch.cuda.device(images.device), autocast(images.device, precision, cache=False):
        graphed = torch.cuda.make_graphed_callables(wrapped, (images.clone(),), allow_unused_input=True)
    return cast(Callable[[Tensor], Any], graphed)


class _Wrapped(nn.Module):
    """Recording replaces a module's ``forward``; the model's own stays as it is."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        return self.model(images)
