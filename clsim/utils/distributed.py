"""One run in several processes, as ``torchrun`` starts them: each computes a part of every batch.

All of them do the same with the same random numbers: they draw the same batches, augment them alike and come to the
same loss. Only the model's forward and backward pass is divided. Each process takes a stretch of the batch through the
model; outputs are gathered, so that losses, plugins and metrics see the whole batch wherever they run, and gradients
are averaged. So a batch size is that of the whole, and a figure does not depend on the number of processes, but for
rounding, and for batch normalisation: it sees a process's part of the batch, as it sees a lane's in one process (see
:class:`~clsim.models.cpu_parallel.CpuDataParallel`). With as many lanes as processes both are the same.
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

Made = TypeVar("Made")

PATIENCE = timedelta(days=2)
"""Others wait that long for the first process, which may have models to train."""


def is_distributed() -> bool:
    """Whether this is one of several processes of a run."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def count() -> int:
    """Processes of this run."""
    return dist.get_world_size() if is_distributed() else 1


def is_main() -> bool:
    """Whether this process is the one that writes and reports."""
    return not is_distributed() or dist.get_rank() == 0


def join(device: str) -> str:
    """Joins the others where ``torchrun`` has started several; gives the device of this process.

    Args:
        device: ``cpu``, or ``cuda`` for one GPU a process.

    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or not dist.is_available():
        return device
    gpu = device.startswith("cuda")
    place = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if gpu else device
    if gpu:
        _check_gpus(int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count())
        torch.cuda.set_device(place)
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=PATIENCE)
    return place


def _check_gpus(here: int, gpus: int) -> None:
    """Refuse more processes than GPUs on this machine, in all of them, before any waits for the others."""
    if here > gpus:
        what = f"{here} processes on this machine, which has {gpus} GPU{'' if gpus == 1 else 's'}: each needs one"
        raise UserError(what, where="--device", fix=f"--nproc-per-node {max(1, gpus)}, or --device cpu")


def leave() -> None:
    """Lets go of the others."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def main_first(make: Callable[[], Made]) -> Made:
    """What `make` gives in each process; the first one goes ahead, so that the others find what it has made."""
    if not is_distributed():
        return make()
    if not is_main():
        dist.barrier()
        return make()
    made = make()
    dist.barrier()
    return made


def broadcast(say: Callable[[], Made]) -> Made:
    """What `say` gives in the first process, in all of them; it is not called in the others."""
    if not is_distributed():
        return say()
    said: list[Any] = [say() if is_main() else None]
    dist.broadcast_object_list(said, src=0)
    told: Made = said[0]
    return told


def any_rank(mine: bool) -> bool:
    """Whether any process says yes."""
    if not is_distributed():
        return mine
    votes = torch.tensor([int(mine)])
    dist.all_reduce(votes)
    return bool(votes.item())


def barrier() -> None:
    """For the others."""
    if is_distributed():
        dist.barrier()


def own_part(images: Tensor) -> Tensor | None:
    """The stretch of a batch that this process computes; ``None`` where all compute the whole.

    That is so for a batch of less than two images a process.
    """
    if not is_distributed() or len(images) < 2 * count():
        return None
    return images.tensor_split(count())[dist.get_rank()]


def gathered(part: Tensor, total: int) -> Tensor:
    """The rows of all processes, in the order of the batch.

    Its gradient is the own rows' gradient of the whole, which is the same in every process, times the number of
    processes: :func:`average_gradients` divides by it.

    Args:
        part: rows that belong to :func:`own_part`.
        total: rows of all.

    """
    rows: Tensor = _Gather.apply(part, total)
    return rows


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, total: int) -> Tensor:
        sizes = [len(each) for each in torch.empty(total).tensor_split(count())]
        rank, largest = dist.get_rank(), sizes[0]
        ctx.start, ctx.stop = sum(sizes[:rank]), sum(sizes[: rank + 1])
        # Rows of all have to be as many.
        padded = part.contiguous() if len(part) == largest else torch.cat([part, part[: largest - len(part)]])
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([rows[:size] for rows, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0][ctx.start : ctx.stop] * count(), None


def average_gradients(model: nn.Module) -> None:
    """Makes the gradients of all processes their mean, and their running averages those of the first.

    What was computed from the whole batch in every process alike, such as a loss on drawn features, has the same
    gradient in all; what each computed for its own rows is added up, see :func:`gathered`.
    """
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    for together in _by_type(gradients):
        flat = torch.cat([gradient.flatten() for gradient in together])
        dist.all_reduce(flat)
        flat /= count()
        _give_back(together, flat)
    running = [buffer for module in model.modules() if _averages(module) for buffer in module.buffers(recurse=False)]
    for together in _by_type(running):
        flat = torch.cat([buffer.flatten() for buffer in together])
        dist.broadcast(flat, src=0)
        _give_back(together, flat)


def _averages(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._NormBase) and module.training


def _by_type(tensors: list[Tensor]) -> list[list[Tensor]]:
    kinds: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault(tensor.dtype, []).append(tensor)
    return list(kinds.values())


def _give_back(tensors: list[Tensor], flat: Tensor) -> None:
    with torch.no_grad():
        for tensor, part in zip(tensors, flat.split([each.numel() for each in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))
