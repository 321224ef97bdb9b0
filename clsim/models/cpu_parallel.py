"""A batch in lanes: on the CPU, each part of it goes through the network on a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from clsim.utils import distributed
from clsim.utils.arguments import Count, checked


class CpuDataParallel(nn.Module):
    """Splits each batch over CPU threads, as distributed training splits it over devices.

    PyTorch would have all threads work on one operator at a time and meet after each. The threads of oneDNN's
    convolution gradients wait for one another by spinning, so a single other busy process on the machine makes
    them some twenty times slower. CpuDataParallel meet once a forward and once a backward pass, and wait asleep.

    Parameters are shared and their gradients added up. Batch normalisation sees a lane's part of the batch; the
    running averages are those of the first lane. Elsewhere than on the CPU the module runs as it is.

    From the first batch on, every other operator of the process has one thread as well: the small ones between
    two passes would only wake threads that stand in the lanes' way.

    Args:
        module: one tensor in, one tensor out, image by image; no gradient flows into its input.
        lanes: how many.

    """

    @checked
    def __init__(self, module: nn.Module, lanes: Count) -> None:
        super().__init__()
        self.module = module
        self.lanes = lanes
        self.num_features: Any = getattr(module, "num_features", None)
        # Out of the reach of nn.Module, which would list them among the model's parts.
        self._helpers: dict[str, Any] = {}

    @property
    def here(self) -> int:
        """CpuDataParallel of this process, where a run has several: each of them is a lane, too."""
        return max(1, self.lanes // distributed.count())

    def forward(self, images: Tensor) -> Tensor:
        """``(B, ...)`` to what ``module`` gives for it."""
        if images.device.type != "cpu" or self.here == 1 or len(images) < 2 * self.here:
            whole: Tensor = self.module(images)
            return whole
        learning = torch.is_grad_enabled()
        parameters = [p for p in self.module.parameters() if p.requires_grad and learning]
        output: Tensor = _InLanes.apply(self, images, *parameters)
        return output

    def side_by_side(self, work: Callable[..., Any], *arguments: Iterable[Any]) -> list[Any]:
        """``work`` on each lane's arguments, all at once."""
        if "pool" not in self._helpers:
            _one_thread_each()
            self._helpers["pool"] = ThreadPoolExecutor(self.here, "lane", _one_thread_each)
        return list(self._helpers["pool"].map(work, *arguments))

    def replicas(self) -> list[nn.Module]:
        """The module and its copies, with the same parameters and buffers of their own."""
        if "copies" not in self._helpers:
            shared = {id(parameter): parameter for parameter in self.module.parameters()}
            self._helpers["copies"] = [deepcopy(self.module, dict(shared)) for _ in range(self.here - 1)]
        copies: list[nn.Module] = self._helpers["copies"]
        if not self.module.training:
            self._give_buffers_to(copies)
        for part, *others in zip(self.module.modules(), *(copy.modules() for copy in copies), strict=True):
            for other in others:
                other.training = part.training
        return [self.module, *copies]

    def _give_buffers_to(self, copies: list[nn.Module]) -> None:
        for copy in copies:
            for own, theirs in zip(self.module.buffers(), copy.buffers(), strict=True):
                theirs.copy_(own)

    def __getstate__(self) -> dict[str, Any]:
        """Without threads, which cannot be copied."""
        return {**self.__dict__, "_helpers": {}}


class _InLanes(torch.autograd.Function):
    """Forward and backward of :class:`CpuDataParallel`: a graph for each lane, inside one node of the outer graph."""

    @staticmethod
    def forward(ctx: Any, owner: CpuDataParallel, images: Tensor, *parameters: Tensor) -> Tensor:
        # Threads start with the default modes, not with those of the thread that calls them.
        wanted = any(ctx.needs_input_grad)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None

        def run(replica: nn.Module, part: Tensor) -> Tensor:
            with torch.set_grad_enabled(wanted), torch.autocast("cpu", dtype, enabled=dtype is not None):
                output: Tensor = replica(part)
            return output

        outputs = owner.side_by_side(run, owner.replicas(), images.tensor_split(owner.here))
        ctx.owner, ctx.parameters, ctx.outputs = owner, parameters, outputs
        return torch.cat([output.detach() for output in outputs])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        def run(output: Tensor, gradient: Tensor) -> tuple[Tensor | None, ...]:
            found: tuple[Tensor | None, ...]
            found = torch.autograd.grad(output, ctx.parameters, gradient, allow_unused=True)
            return found

        parts = gradients[0].split([len(output) for output in ctx.outputs])
        of_lanes = ctx.owner.side_by_side(run, ctx.outputs, parts)
        return (None, None, *(_total(of_parameter) for of_parameter in zip(*of_lanes, strict=True)))


def _total(gradients: tuple[Tensor | None, ...]) -> Tensor | None:
    present = [gradient for gradient in gradients if gradient is not None]
    return torch.stack(present).sum(0) if present else None


def _one_thread_each() -> None:
    torch.set_num_threads(1)
