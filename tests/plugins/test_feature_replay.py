import pytest
import torch
from helpers.tiny import tiny_dataset
from torch import nn
from torch.nn import functional as F

from clsim.models import StationaryClassifier
from clsim.plugins import BaseSession, FeatureReplay, FreezeAfterBase
from clsim.plugins.feature_replay import calibrated_means
from clsim.streams import fscil
from clsim.training import Strategy


def test_calibrated_mean_by_hand():
    known = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])  # their mean is 0
    few = torch.tensor([[0.0, 3.0]])  # as similar to one as to the other, whose mixture is 0
    torch.testing.assert_close(calibrated_means(few, known, own_weight=0.6, sharpness=16.0), torch.tensor([[0.0, 1.8]]))


def test_a_sharp_similarity_takes_the_nearest_base_class():
    known = torch.tensor([[2.0, 1.0], [-1.0, 3.0], [-1.0, -4.0]])
    few = torch.tensor([[4.0, 2.5], [-1.5, -6.0]])
    expected = 0.25 * few + 0.75 * known[[0, 2]]
    torch.testing.assert_close(calibrated_means(few, known, own_weight=0.25, sharpness=1e4), expected)


def test_own_images_alone_leave_the_mean_as_it_is():
    few, known = torch.rand(3, 4), torch.rand(5, 4)
    torch.testing.assert_close(calibrated_means(few, known, own_weight=1.0, sharpness=16.0), few)


class Flat(nn.Module):
    num_features = 12

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(192, 12)

    def forward(self, images):
        return self.linear(images.flatten(1)).relu()


@pytest.fixture
def trained():
    """A strategy after the base session and one few-shot session, its replay, and the losses of the latter."""
    torch.manual_seed(0)
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    model = StationaryClassifier(Flat(), 16)
    replay = FeatureReplay(model, weight=0.75, per_class=3, own_weight=0.5)
    strategy = Strategy(
        model=model,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        train_mb_size=10,
        train_epochs=2,
        plugins=[BaseSession(epochs=10, train_mb_size=30), FreezeAfterBase(model.backbone), replay],
    )
    for session in stream.train_stream[:2]:
        strategy.train(session, eval_streams=[])
    return stream, strategy, replay


def base_features(stream, model):
    images, view = stream.dataset.train, stream.train_stream[0].resident
    return model.backbone(images.pixels[view.indices].float() / 255).detach(), view.labels


def test_it_remembers_means_and_covariance_of_the_base_classes(trained):
    stream, strategy, replay = trained
    features, labels = base_features(stream, strategy.model)
    means = torch.stack([features[labels == label].mean(0) for label in range(6)])
    torch.testing.assert_close(torch.stack([replay.means[label] for label in range(6)]), means)
    residuals = features - means[labels]
    covariance = residuals.T @ residuals / len(residuals)
    torch.testing.assert_close(replay.spread @ replay.spread.T, covariance, atol=2e-4 * covariance.max().item(), rtol=0)


def test_it_places_new_classes_near_their_shots_and_similar_base_classes(trained):
    stream, strategy, replay = trained
    assert list(replay.means) == list(range(8))
    images, view = stream.dataset.train, stream.train_stream[1].resident
    features = strategy.model.backbone(images.pixels[view.indices].float() / 255).detach()
    few = torch.stack([features[view.labels == label].mean(0) for label in (6, 7)])
    base = torch.stack([replay.means[label] for label in range(6)])
    expected = calibrated_means(few, base, own_weight=0.5, sharpness=16.0)
    torch.testing.assert_close(torch.stack([replay.means[6], replay.means[7]]), expected)


def test_it_draws_as_many_features_of_every_class_none_below_what_was_seen(trained):
    _, _, replay = trained
    replay.per_class = 4000
    features, labels = replay.draw()
    assert labels.bincount().tolist() == [4000] * 8
    assert features.min() >= 0  # those of the backbone end in a ReLU
    replay._lowest = -torch.inf
    features, labels = replay.draw()
    torch.testing.assert_close(features[labels == 2].mean(0), replay.means[2], atol=0.05, rtol=0.05)


def test_the_loss_is_a_mixture_in_few_shot_sessions_only(trained):
    stream, strategy, replay = trained
    strategy.experience = stream.train_stream[1]
    strategy.loss = torch.tensor(5.0)
    torch.manual_seed(3)
    replay.before_backward(strategy)
    torch.manual_seed(3)
    features, labels = replay.draw()
    expected = 0.25 * 5.0 + 0.75 * F.cross_entropy(strategy.model.head(features), labels)
    torch.testing.assert_close(strategy.loss, expected)
    strategy.experience = stream.train_stream[0]
    strategy.loss = torch.tensor(5.0)
    replay.before_backward(strategy)
    assert strategy.loss.item() == 5.0
