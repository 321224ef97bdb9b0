"""Started by torchrun in several processes: gathers rows, averages gradients, and compares with one process."""

import sys

import torch
from torch import distributed as dist
from torch import nn

from clsim.utils import distributed


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


def losses(outputs: torch.Tensor, model: nn.Module) -> torch.Tensor:
    """Of pairs of rows, so that no process could compute its part alone; and one that does not hang on the batch."""
    torch.manual_seed(1)
    drawn = model[2](torch.randn(6, 4))
    return (outputs @ outputs.T).softmax(1).diag().log().mean() + drawn.square().mean()


def gradients(model: nn.Module) -> list[torch.Tensor]:
    return [parameter.grad.clone() for parameter in model.parameters()]


def main() -> None:
    distributed.init("cpu")
    rank, world = dist.get_rank(), dist.get_world_size()
    assert distributed.is_distributed()
    assert distributed.world_size() == world
    assert distributed.is_main() == (rank == 0)
    for total in (2 * world, 2 * world + 1, 11):
        torch.manual_seed(total)
        images, model = torch.randn(total, 5), network()
        losses(model(images), model).backward()
        wanted = gradients(model)
        model.zero_grad()
        part = distributed.local_part(images)
        assert part is not None
        assert len(part) in (total // world, total // world + 1)
        outputs = distributed.all_gather(model(part), total)
        assert torch.allclose(outputs, model(images), atol=1e-6)
        losses(outputs, model).backward()
        distributed.average_gradients(model)
        for found, grad in zip(gradients(model), wanted, strict=True):
            assert torch.allclose(found, grad, atol=1e-6), (total, found, grad)
    assert distributed.local_part(torch.zeros(2 * world - 1, 5)) is None
    norm = nn.BatchNorm1d(2)
    norm.running_mean.fill_(rank)
    distributed.average_gradients(norm)
    assert norm.running_mean.tolist() == [0, 0]
    assert distributed.any_rank(rank == world - 1)
    assert not distributed.any_rank(False)
    assert distributed.broadcast(lambda: f"from {rank}") == "from 0"
    order = []
    distributed.main_first(lambda: order.append(rank))
    assert order == [rank]
    distributed.barrier()
    distributed.shutdown()
    print("well", file=sys.stderr)


if __name__ == "__main__":
    main()
