import pytest
import torch

from clsim.data.augment import Compose, Cutout, HorizontalFlip, RandomCrop, RandomResizedCrop, Resize


def batch(count: int = 64, size: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randint(1, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def name(transform) -> str:
    """Return a name that is equal in all processes, because pytest's workers compare test names."""
    return "Compose" if isinstance(transform, Compose) else str(transform)


EVERY = [
    RandomCrop(2),
    RandomCrop(2, "reflect"),
    HorizontalFlip(),
    Resize(6),
    RandomResizedCrop(8),
    Cutout(4),
    Compose(RandomCrop(2), HorizontalFlip(), Cutout(3)),
]


@pytest.mark.parametrize("transform", EVERY, ids=name)
def test_same_generator_same_batch_and_the_global_generator_is_left_alone(transform):
    before = torch.get_rng_state()
    assert torch.equal(transform(batch(), seeded()), transform(batch(), seeded()))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("transform", EVERY, ids=name)
def test_types_are_kept_and_the_input_is_not_changed(transform):
    whole = batch()
    assert transform(whole, seeded()).dtype == torch.uint8
    assert torch.equal(whole, batch())
    half = whole / 255
    result = transform(half, seeded())
    assert result.dtype == torch.float32
    # Bytes and fractions see the same random numbers, hence the same picture up to rounding.
    assert (result * 255 - transform(whole, seeded())).abs().mean() < 1.0


@pytest.mark.parametrize("transform", [*EVERY[:3], *EVERY[4:]], ids=name)
def test_images_of_a_batch_are_treated_differently(transform):
    alike = batch(1).expand(64, -1, -1, -1)
    result = transform(alike, seeded())
    assert len({tuple(image.flatten().tolist()) for image in result}) > 1


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_random_crop_cuts_a_window_of_the_padded_image(mode):
    x = batch()
    pad = {"zeros": "constant", "reflect": "reflect"}[mode]
    padded = torch.nn.functional.pad(x.float(), (2, 2, 2, 2), mode=pad).to(torch.uint8)
    places = set()
    for image, cut in zip(padded, RandomCrop(2, mode)(x, seeded()), strict=True):
        found = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(image[:, top : top + 8, left : left + 8], cut)
        ]
        assert len(found) == 1
        places.update(found)
    assert {top for top, _ in places} == {left for _, left in places} == set(range(5))


def test_horizontal_flip_mirrors_some_and_keeps_the_others():
    x = batch()
    result = HorizontalFlip(0.25)(x, seeded())
    same = (result == x).flatten(1).all(1)
    mirrored = (result == x.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 0 < mirrored.sum() < 32
    assert torch.equal(HorizontalFlip(1.0)(x), x.flip(3))
    assert torch.equal(HorizontalFlip(0.0)(x), x)


def test_resize_keeps_flat_images_flat_and_clamps_overshoot():
    flat = torch.full((2, 3, 8, 8), 200, dtype=torch.uint8)
    assert torch.equal(Resize(5)(flat), torch.full((2, 3, 5, 5), 200, dtype=torch.uint8))
    edge = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    edge[..., 4:] = 255
    enlarged = Resize(32)(edge)  # bicubic overshoots at an edge: without a clamp 255 + 1 would wrap to 0
    assert (enlarged[..., 22:] > 200).all() and (enlarged[..., :10] < 50).all()


def test_resize_of_the_right_size_is_free():
    x = batch()
    assert Resize(8)(x) is x


def test_random_resized_crop_of_everything_is_the_image():
    x = batch()
    assert torch.equal(RandomResizedCrop(8, scale=(1.0, 1.0), ratio=(1.0, 1.0))(x, seeded()), x)


def test_random_resized_crop_covers_the_fraction_asked_for():
    columns = torch.linspace(0, 1, 101).expand(500, 3, 101, 101)
    cut = RandomResizedCrop(101, scale=(0.25, 0.25), ratio=(1.0, 1.0))(columns, seeded())
    width = cut[:, 0, 0, -1] - cut[:, 0, 0, 0]
    torch.testing.assert_close(width, torch.full((500,), 0.5), atol=0.02, rtol=0)
    assert cut[:, 0, 0, 0].min() < 0.05 and cut[:, 0, 0, -1].max() > 0.95


def test_cutout_blackens_one_square_cut_off_at_the_border():
    hidden = (Cutout(4)(batch(), seeded()) == 0).all(1)
    areas = set()
    for mask in hidden:
        rows, columns = mask.any(1), mask.any(0)
        assert torch.equal(mask, rows[:, None] & columns[None, :])
        for line in (rows, columns):
            ones = line.nonzero().flatten()
            assert 2 <= len(ones) <= 4 and ones[-1] - ones[0] == len(ones) - 1
        areas.add(int(mask.sum()))
    assert max(areas) == 16 and len(areas) > 1
