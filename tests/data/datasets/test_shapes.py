import math

import pytest
import torch

from clsim.data.datasets.drawing import COLORS, SHAPES, TEXTURES, Objects, paint, second_tone
from clsim.data.datasets.shapes import FIELD, KINDS, STUDIO, Camera, class_kinds, kind_name, shapes


def one(texture="plain", color="red", shape="circle", radius=0.5, x=0.0, y=0.0, turn=0.0, opacity=1.0):
    def number(value):
        return torch.tensor([float(value)])

    return Objects(
        texture=torch.tensor([list(TEXTURES).index(texture)]),
        color=torch.tensor([list(COLORS).index(color)]),
        shape=torch.tensor([list(SHAPES).index(shape)]),
        x=number(x), y=number(y), radius=number(radius), turn=number(turn), stretch=number(1), period=number(0.4),
        tone=torch.zeros(1, 3), opacity=number(opacity),
    )  # fmt: skip


def test_a_plain_circle_covers_the_area_of_a_circle_in_its_color():
    canvas = paint(torch.zeros(1, 3, 64, 64), one(color="white"))
    covered = canvas[0, 0].sum() / COLORS["white"][0] / 64**2
    assert covered * 4 == pytest.approx(math.pi * (0.92 * 0.5) ** 2, rel=0.02)
    assert torch.allclose(canvas[0, :, 32, 32], torch.tensor(COLORS["white"]))
    assert canvas[0, :, 0, 0].eq(0).all()


def test_an_object_lies_where_it_is_put_and_may_be_left_out():
    canvas = paint(torch.zeros(1, 3, 32, 32), one(x=0.5, y=-0.5, radius=0.2))
    rows, columns = canvas[0, 0].nonzero().unbind(1)
    assert rows.float().mean() == pytest.approx(7.5, abs=0.6)  # y = -0.5 is above the centre
    assert columns.float().mean() == pytest.approx(23.5, abs=0.6)
    assert paint(torch.zeros(1, 3, 32, 32), one(opacity=0)).eq(0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_fits_its_radius_and_has_an_inside(shape):
    axis = torch.linspace(-2, 2, 201)
    distance = SHAPES[shape](axis[None, :].expand(201, -1), axis[:, None].expand(-1, 201))
    inside = distance < 0
    reach = torch.hypot(*torch.meshgrid(axis, axis, indexing="ij"))[inside].max()
    assert 0.05 < inside.float().mean() < 0.25  # of an area of 16
    assert 0.8 < reach < 1.25


def test_any_two_shapes_differ_in_a_tenth_of_what_they_cover():
    axis = torch.linspace(-1.2, 1.2, 121)
    u, v = axis[None, :].expand(121, -1), axis[:, None].expand(-1, 121)
    inside = torch.stack([field(u, v) < 0 for field in SHAPES.values()]).flatten(1).float()
    both = inside @ inside.T
    overlap = both / (inside.sum(1)[:, None] + inside.sum(1)[None] - both)
    assert overlap.fill_diagonal_(0).max() < 0.9


@pytest.mark.parametrize("texture", [name for name in TEXTURES if name != "plain"])
def test_a_texture_shows_both_tones(texture):
    canvas = paint(torch.zeros(1, 3, 64, 64), one(texture=texture, shape="square", radius=0.8))
    color = torch.tensor([COLORS["red"]])
    for tone in (color, second_tone(color)):
        near = (canvas[0].permute(1, 2, 0) - tone[0]).abs().amax(-1) < 0.05
        assert near.sum() > 60


def test_same_seed_same_bytes_and_the_global_generator_is_untouched():
    before = torch.get_rng_state()
    first, again, other = shapes(10, 3, 2), shapes(10, 3, 2), shapes(10, 3, 2, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.train.sha256 == again.train.sha256
    assert first.test.sha256 == again.test.sha256
    assert first.train.sha256 != other.train.sha256
    assert not torch.equal(first.train.pixels[:20], first.test.pixels[:20])


def test_the_data_set_has_100_named_classes_of_equal_size():
    dataset = shapes(train=2, test=1)
    assert len(dataset.class_names) == len(set(dataset.class_names)) == 100
    assert dataset.train.labels.bincount().eq(2).all()
    assert dataset.test.labels.bincount().eq(1).all()
    assert dataset.train.pixels.shape == (200, 3, 32, 32)
    words = {word for name in dataset.class_names for word in name.split()}
    assert words == {*TEXTURES, *COLORS, *SHAPES}


def test_every_word_of_the_stream_occurs_in_its_base_session():
    base = {word for kind in class_kinds()[:60] for word in kind_name(kind).split()}
    assert base == {*TEXTURES, *COLORS, *SHAPES}


def test_other_sizes():
    assert shapes(5, 1, 1, image_size=48).train.pixels.shape == (5, 3, 48, 48)


def test_the_field_is_noisier_than_the_studio():
    def roughness(style):
        images = Camera(style, 0).shoot(torch.zeros(64, dtype=torch.long)).float()
        return (images[..., 1:] - images[..., :-1]).abs().median()

    assert roughness(FIELD) > 1.5 * roughness(STUDIO)


def test_the_field_is_taken_at_dusk():
    def mean(style):
        return (
            Camera(style, 0)
            .shoot(torch.randint(720, (256,), generator=torch.Generator().manual_seed(0)))
            .float()
            .mean((0, 2, 3))
        )

    studio, field = mean(STUDIO), mean(FIELD)
    assert (field < studio).all()
    assert field[2] > 1.15 * field[0]  # bluish


def test_all_kinds_have_different_names():
    assert len({kind_name(kind) for kind in range(len(KINDS))}) == len(KINDS) == 720
