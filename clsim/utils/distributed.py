"""Several processes for one run, as started by ``torchrun``.

All processes draw the same random numbers, so they have the same batches, augmentations and losses. Only the forward
and backward pass of the model is divided: each process computes a part of the batch, the outputs are gathered, and the
gradients are averaged. Losses, plugins and metrics therefore see the whole batch. A batch size is that of the whole
batch, and results do not depend on the number of processes, up to rounding. Batch normalization is the exception: it
sees the part of one process, as it sees the part of one worker of
:class:`~clsim.models.cpu_parallel.CpuDataParallel`. With as many workers as processes, both give the same results.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

from clsim.utils.errors import UserError

T = TypeVar("T")

TIMEOUT = timedelta(days=2)
"""Time to wait for the main process, which may have models to pre-train."""


def is_distributed() -> bool:
    """Return whether the run has more than one process."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def world_size() -> int:
    """Return the number of processes of the run."""
    return dist.get_world_size() if is_distributed() else 1


def is_main() -> bool:
    """Return whether this is the main process (rank 0), which writes and reports."""
    return not is_distributed() or dist.get_rank() == 0


def init(device: str) -> str:
    """Initialize the process group if ``torchrun`` started several processes, and return the device of this process.

    Args:
        device: ``cpu``, or ``cuda`` for one GPU per process.

    Raises:
        UserError: The machine has fewer GPUs than processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or not dist.is_available():
        return device
    gpu = device.startswith("cuda")
    target = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if gpu else device
    if gpu:
        _check_gpus(int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count())
        torch.cuda.set_device(target)
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=TIMEOUT)
    return target


def _check_gpus(processes: int, gpus: int) -> None:
    """Raise in every process, before any waits for another, if there are more processes than GPUs."""
    if processes > gpus:
        what = f"{processes} processes need one GPU each, but this machine has {gpus}"
        raise UserError(what, where="--device", fix=f"--nproc-per-node {max(1, gpus)}, or --device cpu")


def shutdown() -> None:
    """Destroy the process group."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def main_first(make: Callable[[], T]) -> T:
    """Call a function on rank 0 first, then in all other processes, which find the files it wrote.

    Args:
        make: Function to call.
    """
    if not is_distributed():
        return make()
    if not is_main():
        dist.barrier()
        return make()
    made = make()
    dist.barrier()
    return made


def broadcast(fn: Callable[[], T]) -> T:
    """Call ``fn`` on rank 0 and broadcast its result."""
    if not is_distributed():
        return fn()
    results: list[Any] = [fn() if is_main() else None]
    dist.broadcast_object_list(results, src=0)
    result: T = results[0]
    return result


def any_rank(mine: bool) -> bool:
    """Return whether ``mine`` is true in any process."""
    if not is_distributed():
        return mine
    votes = torch.tensor([int(mine)])
    dist.all_reduce(votes)
    return bool(votes.item())


def barrier() -> None:
    """Wait for all processes."""
    if is_distributed():
        dist.barrier()


def local_part(images: Tensor) -> Tensor | None:
    """Return the part of a batch that this process computes.

    Args:
        images: Whole batch.

    Returns:
        The part, or None if every process computes the whole batch, as with fewer than two images per process.
    """
    if not is_distributed() or len(images) < 2 * world_size():
        return None
    return images.tensor_split(world_size())[dist.get_rank()]


def all_gather(part: Tensor, total: int) -> Tensor:
    """Gather the rows of all processes in the order of the batch.

    The gradient is that of this process's rows times the number of processes; :func:`average_gradients` divides by it.

    Args:
        part: Rows of :func:`local_part`.
        total: Number of rows of the whole batch.
    """
    rows: Tensor = _Gather.apply(part, total)
    return rows


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, total: int) -> Tensor:
        sizes = [len(each) for each in torch.empty(total).tensor_split(world_size())]
        rank, largest = dist.get_rank(), sizes[0]
        ctx.start, ctx.stop = sum(sizes[:rank]), sum(sizes[: rank + 1])
        # all_gather needs parts of equal size.
        padded = part.contiguous() if len(part) == largest else torch.cat([part, part[: largest - len(part)]])
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([rows[:size] for rows, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0][ctx.start : ctx.stop] * world_size(), None


def average_gradients(model: nn.Module) -> None:
    """Average the gradients over all processes, and copy the running statistics of rank 0.

    A gradient computed from the whole batch, such as that of a loss on replayed features, is equal in all processes and
    stays the same. Gradients of a process's own rows add up; see :func:`gathered`.

    Args:
        model: Model with the same parameters in all processes.
    """
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    for group in _by_type(gradients):
        flat = torch.cat([gradient.flatten() for gradient in group])
        dist.all_reduce(flat)
        flat /= world_size()
        _unflatten_into(group, flat)
    running = [
        buffer
        for module in model.modules()
        if _has_running_statistics(module)
        for buffer in module.buffers(recurse=False)
    ]
    for group in _by_type(running):
        flat = torch.cat([buffer.flatten() for buffer in group])
        dist.broadcast(flat, src=0)
        _unflatten_into(group, flat)


def _has_running_statistics(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._NormBase) and module.training


def _by_type(tensors: list[Tensor]) -> list[list[Tensor]]:
    groups: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault(tensor.dtype, []).append(tensor)
    return list(groups.values())


def _unflatten_into(tensors: list[Tensor], flat: Tensor) -> None:
    with torch.no_grad():
        for tensor, part in zip(tensors, flat.split([each.numel() for each in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))
