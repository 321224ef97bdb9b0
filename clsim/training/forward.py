"""Forward passes of a model: eager, compiled, or replayed as a CUDA graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from clsim.models.protocols import FeatureModel, ModelOutput, Replayable
from clsim.utils.device import Precision, autocast

Compile = Literal["auto", "on", "off"]
How = Literal["eager", "compiled", "graph"]
Forward = Callable[[Tensor], Any]

COMPILED_FROM = 5000
"""Steps of a session that are worth the minute that compiling takes, on a GPU."""
GRAPHED_FROM = 16
"""Steps of a session that are worth the few that recording a graph takes."""


def choose(compile: Compile, device: torch.device, steps: int, *, replayable: bool) -> How:
    """Return how to run the forward passes of a session.

    ``auto`` stays eager on a CPU, where compiling CPE-CLIP's small model took a minute and gained a tenth. On a GPU it
    compiles long sessions. In short ones launching kernels takes longer than the kernels themselves, so it replays them
    as a graph if the model allows it.

    Args:
        compile: Setting; ``on`` and ``off`` mean always and never compiled.
        device: Device of the model.
        steps: Number of steps of the session.
        replayable: Whether the model does the same on every batch of a session, on the same parameters.

    Example:
        >>> choose("auto", torch.device("cuda"), 35, replayable=True)
        'graph'

    """
    if compile != "auto" or device.type != "cuda":
        return "compiled" if compile == "on" else "eager"
    if steps >= COMPILED_FROM:
        return "compiled"
    return "graph" if replayable and steps >= GRAPHED_FROM else "eager"


def run_eager(model: nn.Module, images: Tensor) -> ModelOutput:
    """Return logits and, where the model offers them, features of one pass.

    Example:
        >>> run_eager(nn.Flatten(), torch.zeros(2, 3, 4, 4)).logits.shape
        torch.Size([2, 48])

    """
    if _has_outputs(model):
        return cast(FeatureModel, model).outputs(images)
    return ModelOutput(model(images))


def _has_outputs(model: object) -> bool:
    return _class_has_outputs(type(model))  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _class_has_outputs(kind: type) -> bool:
    """Return whether models of a class return features; cached, because every step asks."""
    return issubclass(kind, FeatureModel)


class ForwardPass:
    """Runs a model in the chosen way and holds its compiled or recorded form.

    A graph is recorded for the usual batch of a session. It follows the model's parameters wherever the optimizer
    moves them; a batch of another shape runs eagerly. A :class:`~clsim.models.protocols.Replayable` model names what
    else its pass reads. As long as these are the same objects, the graph is valid. Where ``auto`` finds that recording
    or compiling fails, it warns and runs the model eagerly.

    Args:
        compile: Setting, see :func:`choose`.

    """

    def __init__(self, compile: Compile = "auto") -> None:
        self.compile: Compile = compile
        self.how: How = "eager"
        self._compiled: tuple[nn.Module, Forward] | None = None
        self._tried = False
        self._graph: _Graph | None = None
        self._shape: torch.Size | None = None
        self._failed: set[How] = set()

    def start(self, model: nn.Module, device: torch.device, steps: int) -> None:
        """Begin an epoch; its first batch has the usual shape.

        Args:
            model: Model of the session.
            device: Device of the model.
            steps: Number of steps of the whole session.

        """
        replayable = isinstance(model, Replayable) and "graph" not in self._failed
        self.how = choose(self.compile, device, steps, replayable=replayable)
        if self.how == "compiled" and self.compile == "auto" and "compiled" in self._failed:
            self.how = "eager"
        self._shape = None
        if self._compiled is not None and self._compiled[0] is not model:
            self._compiled = None

    def stop(self) -> None:
        """End a session: release the graph; evaluation runs eagerly or compiled."""
        self._graph = None
        self.how = "compiled" if self.how == "compiled" else "eager"

    def __call__(self, model: nn.Module, images: Tensor, precision: Precision) -> ModelOutput:
        """Return logits and features.

        Args:
            model: Model to run.
            images: Batch ``(B, 3, H, W)`` in [0, 1].
            precision: Precision of the enclosing autocast region, which a recording must repeat.

        """
        if self.how == "compiled":
            return self._run_compiled(model, images)
        if self.how == "graph" and model.training:
            return self._replay(model, images, precision)
        return run_eager(model, images)

    def _run_compiled(self, model: nn.Module, images: Tensor) -> ModelOutput:
        if self._compiled is None or self._compiled[0] is not model:
            self._compiled, self._tried = (model, _compile(model)), False
        if self.compile == "on":
            return _as_output(self._compiled[1](images))
        try:
            if torch.is_grad_enabled() and not self._tried:
                _try_backward(model, self._compiled[1], images)
                self._tried = True
            return _as_output(self._compiled[1](images))
        except Exception as error:  # no compiler or no Triton; with "auto" nobody asked for one
            return self._give_up("compiled", error, model, images)

    def _replay(self, model: nn.Module, images: Tensor, precision: Precision) -> ModelOutput:
        if self._shape is None:
            self._shape = images.shape  # only the last batch of an epoch is smaller
        if images.shape != self._shape:
            return run_eager(model, images)
        # A reference to everything that the graph reads, so that none of it is freed.
        read = (model, *cast(Replayable, model).reads())
        if self._graph is None or not self._graph.fits(read, images.shape):
            try:
                self._graph = _Graph(read, images.shape, _record(model, images, precision))
            except RuntimeError as error:
                return self._give_up("graph", error, model, images)
        output = _as_output(self._graph.replay(images))
        # Copies, because the next replay overwrites the output of the graph.
        return ModelOutput(output.logits.clone(), None if output.features is None else output.features.clone())

    def _give_up(self, how: How, error: Exception, model: nn.Module, images: Tensor) -> ModelOutput:
        warnings.warn(f"the forward pass cannot run as {how}, it runs eagerly instead: {error}", stacklevel=2)
        self._failed.add(how)
        self.how, self._compiled, self._graph = "eager", None, None
        return run_eager(model, images)


def _compile(model: nn.Module) -> Forward:
    forward = cast(FeatureModel, model).outputs if _has_outputs(model) else model
    return cast(Forward, torch.compile(forward))


def _as_output(output: Any) -> ModelOutput:
    """Return the output of a compiled or recorded pass, which may have become a plain tuple."""
    return ModelOutput(output) if isinstance(output, Tensor) else ModelOutput(*output)


def _try_backward(model: nn.Module, compiled: Forward, images: Tensor) -> None:
    """Compile the backward pass here, where a failure is still harmless, and restore the state.

    PyTorch compiles it at the first gradient, after the losses and plugins of a step have run.
    """
    state = [(buffer, buffer.clone()) for buffer in model.buffers()]
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        logits = _as_output(compiled(images)).logits
        if isinstance(logits, Tensor) and logits.requires_grad:
            parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
            torch.autograd.grad(logits.float().sum(), parameters, allow_unused=True)
    with torch.no_grad():
        for buffer, before in state:
            buffer.copy_(before)


@dataclass(frozen=True)
class _Graph:
    """A recording for batches of one shape, valid as long as it reads the same objects."""

    read: tuple[Any, ...]
    shape: torch.Size
    replay: Forward

    def fits(self, read: tuple[Any, ...], shape: torch.Size) -> bool:
        same = len(read) == len(self.read) and all(now is then for now, then in zip(read, self.read, strict=True))
        return same and shape == self.shape


def _record(model: nn.Module, images: Tensor, precision: Precision) -> Forward:
    """Record forward and backward pass as CUDA graphs for batches of this shape."""
    wrapped = _Wrapped(model).train(model.training)
    # On the device of the images, which need not be the first. The cache would hold a weight's cast outside the graph.
    with torch.cuda.device(images.device), autocast(images.device, precision, cache=False):
        graphed = torch.cuda.make_graphed_callables(wrapped, (images.clone(),), allow_unused_input=True)
    return cast(Forward, graphed)


class _Wrapped(nn.Module):
    """Recording replaces a module's ``forward``; the wrapper keeps that of the model intact."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        output = run_eager(self.model, images)
        return output.logits if output.features is None else tuple(output)
