from copy import deepcopy

import pytest
import torch
from torch import nn

from clsim.models.replacement_model import ReplacementModel
from clsim.models.simplex import SimplexClassifier, StationaryClassifier, dsimplex


@pytest.mark.parametrize("vertices", [2, 4, 10, 1024])
def test_vertices_are_unit_vectors_at_equal_angles(vertices):
    simplex = dsimplex(vertices).double()
    assert simplex.shape == (vertices, vertices - 1)
    expected = torch.full((vertices, vertices), -1 / (vertices - 1), dtype=torch.float64).fill_diagonal_(1)
    torch.testing.assert_close(simplex @ simplex.T, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(simplex.sum(0), torch.zeros(vertices - 1, dtype=torch.float64), atol=1e-5, rtol=0)


def test_published_values_of_four_vertices():
    a, b, c = 0.96225, -0.19245, -0.57735
    expected = torch.tensor([[a, b, b], [b, a, b], [b, b, a], [c, c, c]])
    torch.testing.assert_close(dsimplex(4), expected, atol=1e-5, rtol=0)


def test_published_cosine_of_1024_vertices():
    simplex = dsimplex(1024).double()
    assert float(simplex[3] @ simplex[1023]) == pytest.approx(-0.00097752, abs=1e-7)


def test_a_single_vertex_is_no_simplex():
    with pytest.raises(ValueError, match="at least 2"):
        dsimplex(1)


def test_local_classes_take_the_last_vertices():
    classifier = SimplexClassifier(10)
    for label in (0, 3, 9):
        logits = classifier(dsimplex(10)[9 - label][None])
        assert logits.argmax().item() == label
        assert logits[0, label].item() == pytest.approx(1.0, abs=1e-6)


def test_nothing_can_train_or_move_the_vertices():
    classifier = SimplexClassifier(6)
    assert not list(classifier.parameters())
    assert not classifier.weight.requires_grad


class Flat(nn.Module):
    num_features = 12

    def forward(self, images):
        return images.flatten(1)


def test_a_stationary_classifier_projects_features_into_the_space_of_its_vertices():
    model = StationaryClassifier(Flat(), 10)
    images = torch.rand(2, 3, 2, 2)
    projected = images.flatten(1) @ model.head[0].weight.T
    torch.testing.assert_close(model.embed(images), projected)
    torch.testing.assert_close(model(images), projected @ dsimplex(10).flip(0).T)
    assert [name for name, _ in model.named_parameters()] == ["head.0.weight"]


class Wide(nn.Module):
    """Another architecture: two layers, 20 wide."""

    num_features = 20

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 20))

    def forward(self, images):
        return self.layers(images)


def test_an_arrival_with_a_projection_for_this_simplex_keeps_it():
    model, wide = StationaryClassifier(Flat(), 10), Wide()
    projection, images = torch.randn(9, 20), torch.rand(2, 3, 2, 2)
    assert model.replace(ReplacementModel("wide", wide, projection)) is False
    torch.testing.assert_close(model.embed(images), wide(images) @ projection.T)
    torch.testing.assert_close(model(images), wide(images) @ projection.T @ dsimplex(10).flip(0).T)


@pytest.mark.parametrize("projection", [None, torch.zeros(7, 20), torch.zeros(9, 12)])
def test_an_arrival_without_a_fitting_projection_asks_for_one(projection):
    model = StationaryClassifier(Flat(), 10)
    assert model.replace(ReplacementModel("wide", Wide(), projection)) is True
    assert model.projection.weight.shape == (9, 20)
    assert model.projection.weight.abs().max() > 0
    torch.testing.assert_close(model.head[1].weight, dsimplex(10).flip(0))


def test_what_arrived_is_copied_and_trainable():
    model, wide = StationaryClassifier(Flat(), 10), Wide().requires_grad_(False)
    model.replace(ReplacementModel("wide", wide))
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(parameter.requires_grad for parameter in wide.parameters())
    with torch.no_grad():
        model.backbone.layers[1].weight.zero_()
    assert wide.layers[1].weight.abs().max() > 0


def test_a_fitted_projection_sends_each_class_to_its_vertex():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(40) % 4
    outputs = 5 * torch.eye(4, 12)[labels] + 0.01 * torch.randn(40, 12, generator=generator)
    model = StationaryClassifier(Flat(), 10)
    model.fit_projection(outputs, labels, ridge=1e-6, length=3.0)
    vertices = dsimplex(10).flip(0)
    torch.testing.assert_close(model.projection(outputs), 3 * vertices[labels], atol=0.05, rtol=0)
    assert model.head(outputs).argmax(1).equal(labels)


def test_a_fitted_projection_is_the_closed_form_of_ridge_regression():
    generator = torch.Generator().manual_seed(0)
    outputs, labels = torch.randn(15, 12, generator=generator), torch.arange(15) % 5
    model = StationaryClassifier(Flat(), 10)
    model.fit_projection(outputs, labels, ridge=0.3)
    targets = 10 * dsimplex(10).flip(0)[labels]
    gram = outputs.T @ outputs
    expected = targets.T @ outputs @ torch.inverse(gram + 0.3 * gram.trace() / 12 * torch.eye(12))
    torch.testing.assert_close(model.projection.weight.detach(), expected, atol=1e-4, rtol=1e-4)


def test_a_model_is_copied_after_a_forward_pass_with_gradients():
    model = StationaryClassifier(Flat(), 10)
    images = torch.rand(2, 3, 2, 2)
    logits = model(images)
    assert model.features.grad_fn is not None
    copied = deepcopy(model)
    assert copied.features is None
    assert model.features is not None
    torch.testing.assert_close(copied(images), logits)
    assert copied.projection.weight is not model.projection.weight
