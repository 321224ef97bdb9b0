"""A small learner with memory and a learning-rate schedule, in a file of a user."""

import os

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import nn

from clsim import Strategy
from clsim.models import LinearClassifier
from clsim.plugins import OneCycle, Rehearsal


class Pixels(nn.Module):
    num_features = 6

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 6), nn.BatchNorm1d(6))

    def forward(self, images):
        return self.layers(images)


class Stop(SupervisedPlugin):
    """Ends the run in the second session if the environment asks for it."""

    def before_training_iteration(self, strategy, **_):
        if os.environ.get("STOP") and strategy.clock.train_exp_counter == 1 and strategy.clock.train_exp_iterations == 3:
            raise KeyboardInterrupt


def build(stream, *, epochs: int = 2, device: str = "cpu") -> Strategy:
    """Build the learner.

    Args:
        stream: Stream to learn.
        epochs: Epochs of every session.
        device: Device of the model.
    """
    model = LinearClassifier(Pixels(), len(stream.class_names))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    memory = Rehearsal(4)
    return Strategy(
        model=model, optimizer=optimizer, criterion=nn.CrossEntropyLoss(), train_mb_size=4, train_epochs=epochs, plugins=[memory, OneCycle(max_lr=0.1, later_lr=0.05), Stop()],
        device=device,
    )
