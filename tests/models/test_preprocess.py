import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms import functional as T

from clsim.models.preprocess import Preprocess

WIDE = torch.randint(0, 256, (3, 24, 48), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
IMAGES = WIDE[None] / 255


def plain(size, **settings):
    return Preprocess([0.0] * 3, [1.0] * 3, size, **settings)


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear"])
def test_the_kernel_is_the_one_asked_for(kernel):
    # Pillow, whose resize is the one that published weights were evaluated with, rounds to whole grey levels.
    square = WIDE[:, :, :24]
    expected = torch.from_numpy(
        np.asarray(T.to_pil_image(square).resize((11, 11), getattr(Image.Resampling, kernel.upper()))).copy()
    ).permute(2, 0, 1)
    ours = plain(11, interpolation=kernel)(square[None] / 255)[0] * 255
    assert (ours - expected).abs().max() <= 1.01
    other = plain(11, interpolation="bilinear" if kernel == "bicubic" else "bicubic")(square[None] / 255)[0] * 255
    assert (other - expected).abs().max() > 3


def test_an_image_that_is_not_square_is_cropped_squashed_or_padded():
    cropped = F.interpolate(IMAGES[..., 12:36], (12, 12), mode="bicubic", antialias=True).clamp(0, 1)
    torch.testing.assert_close(plain(12)(IMAGES), cropped)
    squashed = F.interpolate(IMAGES, (12, 12), mode="bicubic", antialias=True).clamp(0, 1)
    torch.testing.assert_close(plain(12, resize_mode="squash")(IMAGES), squashed)
    padded = plain(12, resize_mode="longest")(IMAGES)
    assert padded.shape == (1, 3, 12, 12)
    assert not padded[..., :3, :].any()
    assert not padded[..., 9:, :].any()
    whole = F.interpolate(IMAGES, (6, 12), mode="bicubic", antialias=True).clamp(0, 1)
    torch.testing.assert_close(padded[..., 3:9, :], whole)


def test_an_image_of_the_right_size_is_only_normalised():
    images = torch.rand(2, 3, 8, 8)
    made = Preprocess([0.1, 0.2, 0.3], [0.5, 0.25, 2.0], 8)(images)
    torch.testing.assert_close(made[:, 1], (images[:, 1] - 0.2) / 0.25)
