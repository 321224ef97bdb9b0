import pytest
import torch
from helpers.errors import refused
from helpers.tiny import tiny_images

from clsim.metrics.extraction import extract_features
from clsim.utils.errors import NotFinite


def test_rows_are_unit_features_of_the_images_in_order_rounded_to_half():
    images, seen = tiny_images(3), []

    def embed(batch):
        seen.append(len(batch))
        return batch.flatten(1)[:, :20]

    features = extract_features(embed, images, batch_size=8)
    plain = (images.pixels.double() / 255).flatten(1)[:, :20]
    assert features.dtype == torch.float16
    assert features.double() == pytest.approx(plain / plain.norm(dim=1, keepdim=True), rel=2.0**-11 + 1e-6)
    assert seen == [8, 8, 8, 6]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(number):
    broken = torch.tensor([[3.0, 4.0], [number, 1.0], [5.0, number]])
    with refused(NotFinite, names=("2 of 3 images",)):
        extract_features(lambda batch: broken, tiny_images(1, classes=3))


def test_precision_and_gradients():
    layer, dtypes = torch.nn.Linear(192, 4), []

    def embed(batch):
        output = layer(batch.flatten(1))
        dtypes.append(output.dtype)
        return output

    for precision in ("fp32", "bf16"):
        assert not extract_features(embed, tiny_images(1), precision=precision).requires_grad
    assert dtypes == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("shape", [(10,), (9, 4), (10, 2, 2)])
def test_an_embedding_of_another_shape_is_refused(shape):
    with refused(ValueError, names=("embed", "(10, D)")):
        extract_features(lambda batch: torch.zeros(shape), tiny_images(1))


def test_no_images_are_refused():
    with refused(ValueError, names=("images", "none")):
        extract_features(lambda batch: batch.flatten(1), tiny_images(1).subset([]))
