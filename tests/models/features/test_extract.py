import torch
from helpers.features import small_body
from helpers.tiny import tiny_images

from clsim.models.features import extract
from clsim.models.features.extract import BATCH, compute_features, in_parts, shuffled


def test_every_pass_has_the_same_size():
    sizes = []

    def network(images):
        sizes.append(len(images))
        return images.flatten(1)

    pixels = tiny_images(7).pixels
    features = compute_features(network, pixels)
    assert sizes == [BATCH] * 3
    torch.testing.assert_close(features, pixels.flatten(1) / 255)
    assert features.dtype == torch.float32


def test_neighbors_in_a_batch_do_not_matter():
    pixels = tiny_images(9).pixels
    whole, order = compute_features(small_body(), pixels), torch.randperm(len(pixels))
    assert torch.equal(compute_features(small_body(), pixels[order]), whole[order])
    assert torch.equal(compute_features(small_body(), pixels[41:42]), whole[41:42])


def test_half_precision_is_stored_in_full(monkeypatch):
    features = compute_features(small_body(), tiny_images(1).pixels, precision="bf16")
    assert features.dtype == torch.float32 and not features.requires_grad
    assert not torch.equal(features, compute_features(small_body(), tiny_images(1).pixels))


def test_parts_are_shuffled_and_whole(monkeypatch):
    monkeypatch.setattr(extract, "CHUNK", 10)
    state = torch.get_rng_state()
    parts = in_parts(range(95))
    assert [len(part) for part in parts] == [10] * 9 + [5]
    orders = {tuple(part[0] for part in shuffled(parts)) for _ in range(10)}
    assert len(orders) > 1
    assert all(sorted(order) == [10 * part for part in range(10)] for order in orders)
    assert torch.equal(state, torch.get_rng_state())
