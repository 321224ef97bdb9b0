from functools import partial

import torch
from helpers.tiny import tiny_dataset
from torch import nn
from torch.optim import SGD

from clsim.models import EmbeddingClassifier
from clsim.models.replacement_model import ReplacementModel
from clsim.plugins import ModelUpgrade, Procrustes
from clsim.streams import upgrade
from clsim.training import Strategy


class Pixels(nn.Module):
    """Pixels times a matrix that is given."""

    def __init__(self, matrix):
        super().__init__()
        self.num_features = matrix.shape[1]
        self.matrix = nn.Parameter(matrix)

    def forward(self, images):
        return (images.flatten(1) - 0.5) @ self.matrix


def rotation(width):
    return torch.linalg.qr(torch.randn(width, width))[0]


def upgraded(first, second):
    """Two models that are loaded, the second turned to the first; and the images that they saw."""
    stream = upgrade(
        tiny_dataset(), classes=[4, 6], load=[ReplacementModel("old", first), ReplacementModel("new", second)]
    )
    upgrading = ModelUpgrade(lambda old: EmbeddingClassifier(Pixels(torch.randn(192, 5)), 5, 10))
    strategy = Strategy(
        model=upgrading.make(None),
        optimizer=partial(SGD, lr=0.1),
        plugins=[Procrustes(upgrading), upgrading],
    )
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
    view = stream.train_stream[1].resident
    return strategy.model.eval(), view.images.pixels[view.indices].float() / 255, view.labels


def unit(network, images):
    with torch.no_grad():
        return nn.functional.normalize(network(images), dim=1)


def test_a_model_that_was_only_turned_speaks_as_the_old_one_again():
    torch.manual_seed(0)
    matrix, known = torch.randn(192, 7), rotation(7)
    model, images, _ = upgraded(Pixels(matrix), Pixels(matrix @ known))
    with torch.no_grad():
        torch.testing.assert_close(model.embed(images), unit(Pixels(matrix), images), atol=1e-4, rtol=0)


def test_what_a_model_knows_by_itself_stays():
    torch.manual_seed(1)
    second = torch.randn(192, 7)
    model, images, labels = upgraded(Pixels(torch.randn(192, 7)), Pixels(second))
    alone = unit(Pixels(second), images)
    with torch.no_grad():
        turned, logits = model.embed(images), model(images)
    assert (turned - alone).abs().max() > 0.1
    torch.testing.assert_close(turned @ turned.T, alone @ alone.T, atol=1e-4, rtol=0)
    means = torch.stack([nn.functional.normalize(alone[labels == label].mean(0), dim=0) for label in range(6)])
    torch.testing.assert_close(logits[:, :6], alone @ means.T, atol=1e-4, rtol=0)


def test_longer_and_shorter_features_end_in_the_old_width():
    torch.manual_seed(2)
    for width in (4, 11):
        model, images, _ = upgraded(Pixels(torch.randn(192, 7)), Pixels(torch.randn(192, width)))
        with torch.no_grad():
            assert model.embed(images).shape[1] == model.dimensions == 7
