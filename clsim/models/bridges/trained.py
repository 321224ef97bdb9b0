"""Base class of the bridges that are trained in minibatches."""

# Annotations are evaluated here: those of inherited fields are checked from subclasses in other modules.
import copy
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from clsim.models.bridges.base import BridgeBase
from clsim.models.bridges.protocols import Pairs, Rows
from clsim.models.bridges.rows import sample
from clsim.utils.arguments import Count, NotNegative, Positive, Seed, Whole

Network = TypeVar("Network", bound=nn.Module)
Loss = Callable[[Network, Tensor, Tensor], Tensor]
"""Mean loss of a network on rows of source and target."""


@dataclass(frozen=True)
class Plan:
    """Settings of a training run.

    Attributes:
        epochs: Largest number of epochs.
        batch_size: Rows of a minibatch.
        learning_rate: Largest learning rate of Adam.
        weight_decay: L2 penalty in the gradient.
        warmup: Epochs over which the learning rate rises; 0 keeps it constant, and else it falls by a cosine.
        patience: Epochs without a better validation loss after which training stops.
        freeze_statistics: Share of the epochs after which batch normalization uses its running statistics.
        seed: Seed of initial weights and of the order of rows.

    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    warmup: int = 0
    patience: int = 8
    freeze_statistics: float = 1.0
    seed: int = 0

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch.

        Example:
            >>> plan = Plan(epochs=3, batch_size=1, learning_rate=1.0, warmup=1)
            >>> [round(plan.rate(epoch), 2) for epoch in range(3)]
            [1.0, 1.0, 0.5]

        """
        if not self.warmup:
            return self.learning_rate
        if epoch < self.warmup:
            return self.learning_rate * (epoch + 1) / self.warmup
        done = (epoch - self.warmup) / max(1, self.epochs - self.warmup)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


def train(
    network: Network, loss: Loss[Network], pairs: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor], plan: Plan
) -> float:
    """Train a network with Adam and keep the weights of its best epoch on held-out pairs.

    The initial weights count as an epoch, so that the result is never worse on these pairs than its start.

    Args:
        network: Network to train, in place.
        loss: Mean loss on a batch.
        pairs: Rows of source ``(N, S)`` and target ``(N, T)``.
        held_out: Rows of other pairs.
        plan: Settings.

    Returns:
        Loss on the held-out pairs.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> rows = torch.randn(64, 2)
        >>> found = train(nn.Linear(2, 2), lambda net, x, y: (net(x) - y).square().mean(), (rows, rows), (rows, rows),
        ...               Plan(epochs=60, batch_size=16, learning_rate=0.02))
        >>> found < 0.01
        True

    """
    optimizer = torch.optim.Adam(network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
    generator = torch.Generator().manual_seed(plan.seed)
    best, weights, waited = _evaluate(network, loss, held_out), copy.deepcopy(network.state_dict()), 0
    for epoch in range(plan.epochs):
        network.train(epoch < plan.freeze_statistics * plan.epochs)
        for group in optimizer.param_groups:
            group["lr"] = plan.rate(epoch)
        # Batch normalization cannot use a single row, so a remainder of one row waits for another epoch.
        order = torch.randperm(len(pairs[0]), generator=generator).split(plan.batch_size)
        for batch in (rows for rows in order if len(rows) > 1):
            optimizer.zero_grad()
            loss(network, pairs[0][batch], pairs[1][batch]).backward()
            optimizer.step()
        found = _evaluate(network, loss, held_out)
        waited = 0 if found < best else waited + 1
        if found < best:
            best, weights = found, copy.deepcopy(network.state_dict())
        if waited >= plan.patience:
            break
    network.load_state_dict(weights)
    network.eval()
    return best


@torch.no_grad()
def _evaluate(network: Network, loss: Loss[Network], pairs: tuple[Tensor, Tensor]) -> float:
    network.eval()
    parts = [part.split(4096) for part in pairs]
    total = sum(float(loss(network, x, y)) * len(x) for x, y in zip(*parts, strict=True))
    return total / len(pairs[0])


@dataclass
class TrainedBridge(BridgeBase):
    """Base of bridges that are a network trained on a sample of the pairs.

    Args:
        side: Side that is mapped.
        epochs: Largest number of epochs.
        batch_size: Rows of a minibatch.
        learning_rate: Learning rate of Adam.
        weight_decay: L2 penalty of Adam.
        patience: Epochs without a better validation loss after which training stops.
        sample: Largest number of pairs for training. The same number bounds the validation pairs.
        seed: Seed of the sample, of initial weights and of the order of rows.

    """

    chooses: ClassVar[bool] = True

    epochs: Whole = 60
    batch_size: Count = 256
    learning_rate: Positive = 1e-3
    weight_decay: NotNegative = 0.0
    patience: Count = 8
    sample: Count = 20_000
    seed: Seed = 0
    network: nn.Module | None = field(default=None, init=False, repr=False)

    @property
    def widths(self) -> tuple[int, int] | None:
        """Widths of source and target; None before fitting."""
        return self._network_widths if self.network is not None else None

    _network_widths: tuple[int, int] | None = field(default=None, init=False, repr=False)

    @property
    def plan(self) -> Plan:
        """Settings of the training run."""
        return Plan(
            self.epochs,
            self.batch_size,
            self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            seed=self.seed,
        )

    @abstractmethod
    def make(self, source_width: int, target_width: int) -> nn.Module:
        """Return the network, with random weights."""

    @abstractmethod
    def start(self, source: Rows, target: Rows, validation: Pairs) -> nn.Module:
        """Return the network from which training starts."""

    @abstractmethod
    def loss(self, network: nn.Module, source: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss on a batch."""

    def _fit(self, source: Rows, target: Rows, validation: Pairs | None) -> None:
        assert validation is not None
        widths = int(source.shape[1]), int(target.shape[1])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self.start(source, target, validation)
        pairs, held_out = sample((source, target), self.sample, self.seed), sample(validation, self.sample, self.seed)
        train(network, self.loss, pairs, held_out, self.plan)
        self.network, self._network_widths = network, widths

    @torch.no_grad()
    def _map(self, rows: Tensor) -> Tensor:
        assert self.network is not None
        found: Tensor = self.network(rows)
        return found

    def _state(self) -> dict[str, Tensor]:
        assert self.network is not None
        return dict(self.network.state_dict())

    def _restore(self, widths: tuple[int, int], state: Mapping[str, Tensor]) -> None:
        network = self.make(*widths)
        try:
            network.load_state_dict(dict(state))
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        self.network, self._network_widths = network.eval(), widths
