import torch

from clsim.models import Projection


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_it_starts_at_a_matrix_from_the_right_and_the_correction_is_zero():
    matrix, features = drawn(5, 3), drawn(4, 5)
    for hidden in (0, 7):
        projection = Projection(5, 3, hidden)
        projection.start_at(matrix)
        torch.testing.assert_close(projection(features), features @ matrix)
        assert projection.linear.weight.requires_grad
    assert Projection(5, 3).correction is None


def test_the_correction_learns_and_is_added():
    projection = Projection(2, 1, hidden=1)
    projection.start_at(torch.tensor([[1.0], [10.0]]))
    before, _, after = projection.correction
    projection(torch.ones(1, 2)).sum().backward()
    assert after.weight.grad.abs().max() > 0  # or it would stay zero
    with torch.no_grad():
        before.weight.copy_(torch.tensor([[2.0, 0.0]]))
        before.bias.fill_(1.0)
        after.weight.fill_(3.0)
    expected = 11 + 3 * torch.nn.functional.gelu(torch.tensor(3.0))
    torch.testing.assert_close(projection(torch.ones(1, 2)), expected.view(1, 1))
