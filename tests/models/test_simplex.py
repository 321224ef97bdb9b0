import pytest
import torch
from torch import nn

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
