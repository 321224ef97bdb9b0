"""Data parallelism on the CPU: each part of a batch goes through the network on a separate thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from clsim.utils import distributed
from clsim.utils.arguments import Count, checked
from clsim.utils.flops import map_counted


class CpuDataParallel(nn.Module):
    """Splits each batch over CPU threads, as distributed training splits it over devices.

    PyTorch runs all threads on one operator at a time and synchronizes them after each. The threads of oneDNN's
    convolution gradients wait by spinning, so one other busy process on the machine makes them some twenty times
    slower. These workers meet once a forward and once a backward pass, and wait asleep.

    Parameters are shared and their gradients added up. Batch normalization sees a worker's part of the batch; the
    running statistics are those of the first worker. On other devices than the CPU the module runs unchanged.

    From the first batch on every other operator of the process has one thread as well: small operators between two
    passes would only wake threads that disturb the workers.

    Args:
        module: Network from one tensor to one tensor, image by image; no gradient flows into its input.
        workers: Number of threads.

    """

    @checked
    def __init__(self, module: nn.Module, workers: Count) -> None:
        super().__init__()
        self.module = module
        self.workers = workers
        self.num_features: Any = getattr(module, "num_features", None)
        # In a dictionary, where nn.Module does not register the replicas as parts of the model.
        self._helpers: dict[str, Any] = {}

    @property
    def local_workers(self) -> int:
        """Workers of this process; the processes of a distributed run count as workers, too."""
        return max(1, self.workers // distributed.world_size())

    def forward(self, images: Tensor) -> Tensor:
        """Return the module's output for ``(B, ...)``."""
        if images.device.type != "cpu" or self.local_workers == 1 or len(images) < 2 * self.local_workers:
            whole: Tensor = self.module(images)
            return whole
        learning = torch.is_grad_enabled()
        parameters = [p for p in self.module.parameters() if p.requires_grad and learning]
        output: Tensor = _Parallel.apply(self, images, *parameters)
        return output

    def run_parallel(self, work: Callable[..., Any], *arguments: Iterable[Any]) -> list[Any]:
        """Call ``work`` on each worker's arguments, all at once, and return the results."""
        if "pool" not in self._helpers:
            _use_one_thread()
            self._helpers["pool"] = ThreadPoolExecutor(self.local_workers, "worker", _use_one_thread)
        return map_counted(self._helpers["pool"].map, work, *arguments)

    def replicas(self) -> list[nn.Module]:
        """Return the module and its copies; they share parameters and have their own buffers."""
        if "copies" not in self._helpers:
            shared = {id(parameter): parameter for parameter in self.module.parameters()}
            self._helpers["copies"] = [deepcopy(self.module, dict(shared)) for _ in range(self.local_workers - 1)]
        copies: list[nn.Module] = self._helpers["copies"]
        if not self.module.training:
            self._copy_buffers(copies)
        for part, *others in zip(self.module.modules(), *(copy.modules() for copy in copies), strict=True):
            for other in others:
                other.training = part.training
        return [self.module, *copies]

    def _copy_buffers(self, copies: list[nn.Module]) -> None:
        for copy in copies:
            for source, target in zip(self.module.buffers(), copy.buffers(), strict=True):
                target.copy_(source)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the threads, which cannot be copied."""
        return {**self.__dict__, "_helpers": {}}


class _Parallel(torch.autograd.Function):
    """Forward and backward pass of :class:`CpuDataParallel`: a graph for each worker in one node of the outer graph."""

    @staticmethod
    def forward(ctx: Any, owner: CpuDataParallel, images: Tensor, *parameters: Tensor) -> Tensor:
        # Threads start with the default modes, not with those of the calling thread.
        wanted = any(ctx.needs_input_grad)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None

        def run(replica: nn.Module, part: Tensor) -> Tensor:
            with torch.set_grad_enabled(wanted), torch.autocast("cpu", dtype, enabled=dtype is not None):
                output: Tensor = replica(part)
            return output

        outputs = owner.run_parallel(run, owner.replicas(), images.tensor_split(owner.local_workers))
        ctx.owner, ctx.parameters, ctx.outputs = owner, parameters, outputs
        return torch.cat([output.detach() for output in outputs])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        def run(output: Tensor, gradient: Tensor) -> tuple[Tensor | None, ...]:
            found: tuple[Tensor | None, ...]
            found = torch.autograd.grad(output, ctx.parameters, gradient, allow_unused=True)
            return found

        parts = gradients[0].split([len(output) for output in ctx.outputs])
        by_worker = ctx.owner.run_parallel(run, ctx.outputs, parts)
        return (None, None, *(_total(of_parameter) for of_parameter in zip(*by_worker, strict=True)))


def _total(gradients: tuple[Tensor | None, ...]) -> Tensor | None:
    present = [gradient for gradient in gradients if gradient is not None]
    return torch.stack(present).sum(0) if present else None


def _use_one_thread() -> None:
    torch.set_num_threads(1)
