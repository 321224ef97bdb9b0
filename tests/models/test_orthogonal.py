import torch

from clsim.models import OrthogonalAlignment


def test_it_stays_orthogonal_while_it_learns_and_its_bias_is_free():
    torch.manual_seed(0)
    layer, target = OrthogonalAlignment(6), torch.linalg.qr(torch.randn(6, 6)).Q
    optimizer, features = torch.optim.SGD(layer.parameters(), lr=0.5), torch.randn(64, 6)
    before = layer.weight.detach().clone()
    for _ in range(20):
        optimizer.zero_grad()
        (layer(features) - features @ target.T - 1).pow(2).mean().backward()
        optimizer.step()
        assert layer.error() < 1e-5
    assert (layer.weight - before).abs().max() > 0.1
    assert (layer.bias > 0.5).all()


def test_the_error_is_the_largest_entry_by_hand():
    layer = OrthogonalAlignment(2)
    torch.nn.utils.parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.5, 1.0]]))
    assert layer.error() == 0.5
