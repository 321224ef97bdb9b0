from copy import deepcopy
from functools import partial

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import tiny_dataset
from torch import nn
from torch.optim import SGD

from clsim.losses import influence_rows, prototype_alignment, prototype_cross_entropy
from clsim.models import EmbeddingClassifier
from clsim.plugins import ModelUpgrade, OldPrototypes
from clsim.streams import upgrade
from clsim.training import Strategy

ORDER = [9, 2, 7, 4, 0, 1, 3, 5, 6, 8]


class Normed(nn.Module):
    """Pixels times a matrix, batch-normalised."""

    num_features = 6

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(192, 6)
        self.norm = nn.BatchNorm1d(6)

    def forward(self, images):
        return self.norm(self.linear(images.flatten(1)))


class Watch(SupervisedPlugin):
    """What stands beside every step: prototypes, features, labels and the losses before and after."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def attach(self, upgrading, holding):
        self.upgrading, self.holding = upgrading, holding

    def before_training_exp(self, strategy, **kwargs):
        self.steps.append([])

    def after_forward(self, strategy, **kwargs):
        self.own = nn.functional.cross_entropy(strategy.mb_output, strategy.mb_y).detach()

    def after_backward(self, strategy, **kwargs):
        prototypes = self.holding.prototypes
        self.steps[-1].append(
            {
                "prototypes": None if prototypes is None else prototypes.clone(),
                "old": deepcopy(self.upgrading.old),
                "features": strategy.mb_features.detach(),
                "labels": strategy.mb_y,
                "own": self.own.item(),
                "loss": strategy.loss.item(),
            }
        )


def run(losses=((1.0, prototype_alignment),), classes=(4, 10), images=(5, 20), order=None, **settings):
    torch.manual_seed(0)
    stream = upgrade(tiny_dataset(), classes=list(classes), images_per_class=list(images), class_order=order)
    upgrading = ModelUpgrade(lambda old: EmbeddingClassifier(Normed(), old.dimensions + 1, 10))
    holding, watch = OldPrototypes(upgrading, list(losses), **settings), Watch()
    watch.attach(upgrading, holding)
    strategy = Strategy(
        model=EmbeddingClassifier(Normed(), 4, 10),
        optimizer=partial(SGD, lr=0.1, momentum=0.9),
        train_mb_size=25,
        train_epochs=2,
        plugins=[upgrading, holding, watch],
    )
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
    return stream, holding, watch.steps


def means(model, stream, session):
    view = stream.train_stream[session].resident
    images = view.images.pixels[view.indices].float() / 255
    with torch.no_grad():
        features = model.embed(images)
    return torch.stack([features[view.labels == label].mean(0) for label in view.labels.unique()])


def test_nothing_is_held_in_the_first_session_and_after_the_last():
    def never(new, old, rows):
        raise AssertionError("there is no old model yet")

    _, holding, (steps,) = run([(1.0, never)], classes=[4], images=[20], own_weight=0.5)
    assert all(step["prototypes"] is None for step in steps)
    assert [step["loss"] for step in steps] == [step["own"] for step in steps]
    assert holding.prototypes is None
    assert run()[1].prototypes is None


def test_prototypes_are_what_the_old_model_makes_of_the_sessions_images_in_evaluation_mode():
    stream, _, (_, steps) = run()
    old = steps[0]["old"]
    expected = means(old.eval(), stream, 1)
    torch.testing.assert_close(steps[0]["prototypes"], expected)
    in_training = means(deepcopy(old).train(), stream, 1)
    assert (in_training - expected).abs().max() > 0.05


def test_classes_that_the_old_model_never_learnt_have_prototypes_too():
    stream, _, (_, steps) = run()
    assert stream.train_stream[1].previous_classes == {0, 1, 2, 3}
    assert steps[0]["prototypes"].shape == (10, 4)
    assert steps[0]["prototypes"].norm(dim=1).min() > 0


def test_they_do_not_change_while_the_session_trains():
    _, _, (_, steps) = run()
    assert len(steps) == 16
    for step in steps:
        assert torch.equal(step["prototypes"], steps[0]["prototypes"])
        assert not step["prototypes"].requires_grad


def test_every_upgrade_of_a_chain_has_those_of_the_model_before():
    stream, _, (_, second, third) = run(classes=[3, 5, 8], images=[10, 10, 20])
    assert [second[0]["prototypes"].shape, third[0]["prototypes"].shape] == [(5, 4), (8, 5)]
    torch.testing.assert_close(third[0]["prototypes"], means(third[0]["old"], stream, 2))


@pytest.mark.parametrize("own_weight", [1.0, 5.0])
@pytest.mark.parametrize("order", [None, ORDER])
def test_the_loss_is_the_weighted_sum(own_weight, order):
    losses = [(10.0, partial(prototype_cross_entropy, label_smoothing=0.1)), (0.25, prototype_alignment)]
    stream, _, (first, second) = run(losses, classes=[4, 7], images=[20, 20], order=order, own_weight=own_weight)
    assert [step["loss"] for step in first] == [step["own"] for step in first]
    present = sorted(stream.train_stream[1].classes_in_this_experience)
    rows = means(second[0]["old"], stream, 1)
    for step in second:
        place = torch.tensor([present.index(label) for label in step["labels"].tolist()])
        cut = step["features"][:, :4]
        cut = cut / cut.norm(dim=1, keepdim=True)
        logs = (cut @ rows.T).log_softmax(1)
        picked = logs[torch.arange(len(place)), place]
        sorting = -(0.9 * picked + 0.1 * logs.mean(1)).mean()
        cosine = (cut * rows[place]).sum(1) / rows[place].norm(dim=1)
        expected = own_weight * step["own"] + 10.0 * sorting + 0.25 * (1 - cosine).mean()
        assert step["loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_losses_are_told_the_new_features_the_prototypes_and_the_rows_of_the_labels():
    told = []

    def loss(new, old, rows):
        told.append((new.detach(), old, rows))
        return new.sum() * 0

    _, _, (_, steps) = run([(1.0, loss)], classes=[4, 7], images=[20, 20], order=ORDER)
    # In session 1 the classes 0, 1, 2, 3, 4, 7 and 9 are there.
    row_of = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 7: 5, 9: 6}
    assert len(told) == len(steps)
    for (new, old, rows), step in zip(told, steps, strict=True):
        assert torch.equal(new, step["features"])
        assert new.shape[1] == 5
        assert torch.equal(old, step["prototypes"])
        assert rows.tolist() == [row_of[label] for label in step["labels"].tolist()]


def test_the_new_model_learns_from_the_prototypes_alone_and_the_old_one_stays_frozen():
    _, _, (_, steps) = run([(1.0, prototype_alignment)], own_weight=0.0)
    assert steps[-1]["loss"] < steps[0]["loss"] - 0.05
    assert not any(parameter.requires_grad for parameter in steps[-1]["old"].parameters())


@pytest.mark.parametrize("order", [None, ORDER])
def test_with_the_old_classifier_learnt_classes_have_its_rows(order):
    stream, _, (_, steps) = run(classes=[4, 7], images=[20, 20], order=order, old_classifier=True)
    old, rows = steps[0]["old"], steps[0]["prototypes"]
    session = stream.train_stream[1]
    present = torch.tensor(sorted(session.classes_in_this_experience))
    learnt = torch.tensor([int(label) in session.previous_classes for label in present])
    weight = old.classifier.detach()[present]
    assert int(learnt.sum()) == 4
    assert torch.equal(rows[learnt], weight[learnt])
    found = means(old, stream, 1)
    length = weight[learnt].norm(dim=1).mean()
    torch.testing.assert_close(rows[~learnt].norm(dim=1), length.expand(3))
    torch.testing.assert_close(rows[~learnt], length * nn.functional.normalize(found[~learnt], dim=1))
    torch.testing.assert_close(rows, influence_rows(found, weight, learnt))
    assert not rows.requires_grad


def test_with_the_old_classifier_an_upgrade_by_data_alone_has_its_rows_only():
    _, _, (_, steps) = run(classes=[4, 4], images=[5, 20], old_classifier=True)
    assert torch.equal(steps[0]["prototypes"], steps[0]["old"].classifier.detach()[:4])
