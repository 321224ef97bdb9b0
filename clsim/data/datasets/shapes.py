"""The embedded world: images of textured, coloured shapes, as hard as a `Style` makes them.

A class is a texture, a colour and a shape; its name is what one would say ("striped red triangle"). The
world needs no download, so that a machine without data or network can still run the main experiment.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from clsim.data.core.images import DataSet, Images
from clsim.data.datasets.drawing import COLOURS, SHAPES, TEXTURES, Objects, paint

DUSK = (0.10, 0.12, 0.30)  # red, green and blue of the late hour
CLASS_SEED = 60  # which kinds are the stream's classes: a draw whose first 60 and last 40 both use every word
KINDS = tuple(itertools.product(range(len(TEXTURES)), range(len(COLOURS)), range(len(SHAPES))))


@dataclass(frozen=True)
class Style:
    """How scenes are taken: the ranges and strengths of every nuisance.

    Attributes:
        radius: of the main object, least and greatest, where the image spans [-1, 1].
        shift: greatest distance of its centre from the image's, along each axis.
        turn: greatest rotation either way, in degrees.
        stretch: greatest ratio of its two axes.
        clutter: chance of each of the smaller objects behind it (one entry an object).
        clutter_radius: of those objects.
        hue: standard deviation of a colour around its name's, per channel.
        lighting: strength of a linear light gradient across the image.
        exposure: standard deviation of the logarithm of the whole image's brightness.
        tint: standard deviation of the logarithm of each channel's gain.
        background: contrast of the blotches behind everything.
        dusk: how far colours are drawn towards the dim blue of a late hour, least and greatest.
        blur: standard deviation of the lens, in pixels, greatest.
        noise: standard deviation of the sensor, greatest.
    """

    radius: tuple[float, float]
    shift: float
    turn: float
    stretch: float
    clutter: tuple[float, ...]
    clutter_radius: tuple[float, float]
    hue: float
    lighting: float
    exposure: float
    tint: float
    background: float
    dusk: tuple[float, float]
    blur: float
    noise: float


STUDIO = Style(
    radius=(0.50, 0.85), shift=0.15, turn=15, stretch=1.15, clutter=(0.5, 0.25), clutter_radius=(0.25, 0.45), hue=0.04,
    lighting=0.15, exposure=0.10, tint=0.03, background=0.10,
    dusk=(0.0, 0.0), blur=0.5, noise=0.03,
)  # fmt: skip
FIELD = Style(
    radius=(0.50, 0.85), shift=0.15, turn=15, stretch=1.15, clutter=(0.9, 0.6), clutter_radius=(0.20, 0.35), hue=0.06,
    lighting=0.25, exposure=0.12, tint=0.04, background=0.30,
    dusk=(0.3, 0.5), blur=0.8, noise=0.08,
)  # fmt: skip


def class_kinds(classes: int = 100, after: int = 0) -> list[int]:
    """The indices in `KINDS` of the stream's classes, in the order of their labels, without the first so many."""
    order = torch.randperm(len(KINDS), generator=torch.Generator().manual_seed(CLASS_SEED))
    return list(order[after : after + classes].tolist())


def kind_name(kind: int) -> str:
    """What one calls a kind of object, for instance ``striped red triangle``."""
    texture, colour, shape = KINDS[kind]
    return f"{tuple(TEXTURES)[texture]} {tuple(COLOURS)[colour]} {tuple(SHAPES)[shape]}"


class Camera:
    """Draws scenes in one style with its own random generator.

    Args:
        style: the nuisance.
        seed: of the generator; the global one is never touched.
        size: of the square images, in pixels.
    """

    def __init__(self, style: Style, seed: int, size: int = 32) -> None:
        self.style = style
        self.size = size
        self.generator = torch.Generator().manual_seed(seed)

    def shoot(self, kinds: Tensor, clutter: Tensor | None = None) -> Tensor:
        """One image per kind.

        Args:
            kinds: int64 [N], indices in `KINDS`: the main objects.
            clutter: int64 [N, C], the kinds of the smaller objects, -1 for none; drawn where not given.

        Returns:
            uint8 [N, 3, size, size].
        """
        clutter = self.draw_clutter(len(kinds)) if clutter is None else clutter
        canvas = self._background(len(kinds))
        for column in clutter.unbind(1):
            canvas = paint(canvas, self._place(column, self.style.clutter_radius, shift=0.8))
        canvas = paint(canvas, self._place(kinds, self.style.radius, shift=self.style.shift))
        return (self._develop(canvas) * 255).round().clamp(0, 255).to(torch.uint8)

    def draw_clutter(self, count: int) -> Tensor:
        """Kinds of the smaller objects, int64 [N, C]; -1 where there is none."""
        chances = torch.tensor(self.style.clutter)
        kinds = torch.randint(len(KINDS), (count, len(chances)), generator=self.generator)
        return torch.where(self._uniform(count, len(chances)) < chances, kinds, -1)

    def _uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.generator)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator)

    def _place(self, kinds: Tensor, radii: tuple[float, float], shift: float) -> Objects:
        count, style = len(kinds), self.style
        attributes = torch.tensor(KINDS)[kinds.clamp(min=0)]
        turn = math.radians(style.turn)
        ratio = math.log(style.stretch)
        return Objects(
            texture=attributes[:, 0],
            colour=attributes[:, 1],
            shape=attributes[:, 2],
            x=self._uniform(count, low=-shift, high=shift),
            y=self._uniform(count, low=-shift, high=shift),
            radius=self._uniform(count, low=radii[0], high=radii[1]),
            turn=self._uniform(count, low=-turn, high=turn),
            stretch=self._uniform(count, low=-ratio, high=ratio).exp(),
            period=self._uniform(count, low=10, high=14) / self.size,
            tone=self._normal(count, 3) * style.hue,
            opacity=(kinds >= 0).float(),
        )

    def _background(self, count: int) -> Tensor:
        grey = self._uniform(count, 1, 1, 1, low=0.15, high=0.85)
        cast = self._normal(count, 3, 1, 1) * 0.08
        blotches = functional.interpolate(self._normal(count, 3, 4, 4), self.size, mode="bilinear")
        return (grey + cast + blotches * self.style.background * 0.5).clamp(0, 1)

    def _develop(self, canvas: Tensor) -> Tensor:
        """Lighting, exposure, tint, blur and noise."""
        count, style = len(canvas), self.style
        axis = torch.linspace(-1, 1, self.size)
        angle = self._uniform(count, 1, 1, high=2 * math.pi)
        slope = angle.cos() * axis[None, None, :] + angle.sin() * axis[None, :, None]
        light = 1 + self._uniform(count, 1, 1, high=style.lighting) * slope
        gain = (self._normal(count, 1, 1, 1) * style.exposure + self._normal(count, 3, 1, 1) * style.tint).exp()
        canvas = canvas * light[:, None] * gain
        if style.dusk[1] > 0:
            dusk = self._uniform(count, 1, 1, 1, low=style.dusk[0], high=style.dusk[1])
            canvas = torch.lerp(canvas, torch.tensor(DUSK)[:, None, None], dusk)
        canvas = self._soften(canvas)
        sigma = self._uniform(count, 1, 1, 1, high=style.noise)
        return (canvas + self._normal(*canvas.shape) * sigma).clamp(0, 1)

    def _soften(self, canvas: Tensor) -> Tensor:
        """A three-tap blur, its strength drawn for each image."""
        variance = self._uniform(len(canvas), 1, 1, 1, high=self.style.blur).square()
        side = variance / 2
        for dim in (2, 3):
            padding = (1, 1, 0, 0) if dim == 3 else (0, 0, 1, 1)
            padded = functional.pad(canvas, padding, mode="replicate")
            before, after = padded.narrow(dim, 0, self.size), padded.narrow(dim, 2, self.size)
            canvas = canvas * (1 - 2 * side) + (before + after) * side
        return canvas


def shapes(
    classes: int = 100,
    train: int = 50,
    test: int = 20,
    *,
    style: Style = FIELD,
    image_size: int = 32,
    seed: int = 0,
    after: int = 0,
) -> DataSet:
    """The data set ``shapes``: the same bytes for the same arguments on one machine.

    Args:
        classes: how many, at most the number of kinds.
        train, test: images a class.
        style: the nuisance of the images.
        image_size: height and width in pixels.
        seed: of the pictures; the classes do not depend on it.
        after: leave out the first so many kinds; after 100 come those that are no class of any stream.

    Raises:
        ValueError: there are not so many kinds.
    """
    kinds = class_kinds(classes, after)
    if len(kinds) < classes:
        raise ValueError(f"{classes} kinds after the first {after}: there are {len(KINDS)}")
    names = tuple(map(kind_name, kinds))

    def draw(per_class: int, camera: Camera) -> Images:
        labels = torch.arange(classes).repeat_interleave(per_class)
        pixels = [camera.shoot(torch.tensor(kinds)[part]) for part in labels.split(1024)]
        return Images(pixels=torch.cat(pixels), labels=labels, class_names=names, name="shapes")

    return DataSet(
        name="shapes",
        train=draw(train, Camera(style, 2 * seed, image_size)),
        test=draw(test, Camera(style, 2 * seed + 1, image_size)),
    )
