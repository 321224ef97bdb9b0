"""The synthetic data set ``shapes``: textured, colored shapes, as hard as a `Style` makes them.

A class is a texture, a color and a shape, and its name says so ("striped red triangle"). No download is needed, so the
main experiment runs on a machine without data or network.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from clsim.data.core.images import DataSet, Images
from clsim.data.datasets.drawing import COLORS, SHAPES, TEXTURES, Objects, paint

DUSK = (0.10, 0.12, 0.30)  # RGB of dim evening light
CLASS_SEED = 60  # seed of the classes; the first 60 and the last 40 each use every word
KINDS = tuple(itertools.product(range(len(TEXTURES)), range(len(COLORS)), range(len(SHAPES))))


@dataclass(frozen=True)
class Style:
    """Rendering style: ranges and strengths of all nuisances.

    Attributes:
        radius: Range of the main object's radius, where the image spans [-1, 1].
        shift: Largest distance of its center from the image center, along each axis.
        turn: Largest rotation either way, in degrees.
        stretch: Largest ratio of its two axes.
        clutter: Probability of each smaller object behind it, one entry per object.
        clutter_radius: Range of the radius of those objects.
        hue: Standard deviation of a color around its name's color, per channel.
        lighting: Strength of a linear light gradient across the image.
        exposure: Standard deviation of the logarithm of the brightness.
        tint: Standard deviation of the logarithm of each channel's gain.
        background: Contrast of the background.
        dusk: Range of the blend of all colors with a dim blue.
        blur: Largest standard deviation of the blur, in pixels.
        noise: Largest standard deviation of the pixel noise.
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
    """Return the kinds of the stream's classes as indices into `KINDS`, by class id, without the first ``after``."""
    order = torch.randperm(len(KINDS), generator=torch.Generator().manual_seed(CLASS_SEED))
    return list(order[after : after + classes].tolist())


def kind_name(kind: int) -> str:
    """Return the name of a kind of object, for instance ``striped red triangle``."""
    texture, color, shape = KINDS[kind]
    return f"{tuple(TEXTURES)[texture]} {tuple(COLORS)[color]} {tuple(SHAPES)[shape]}"


class Camera:
    """Renderer of scenes in one style, with a separate random generator.

    Args:
        style: Rendering style.
        seed: Seed of the generator; the global generators stay untouched.
        size: Side of the square images in pixels.
    """

    def __init__(self, style: Style, seed: int, size: int = 32) -> None:
        self.style = style
        self.size = size
        self.generator = torch.Generator().manual_seed(seed)

    def shoot(self, kinds: Tensor, clutter: Tensor | None = None) -> Tensor:
        """Render one image per kind.

        Args:
            kinds: Kinds of the main objects as indices into `KINDS`, int64 ``[N]``.
            clutter: Kinds of the smaller objects, -1 for none, int64 ``[N, C]``; drawn by default.

        Returns:
            Images, uint8 ``[N, 3, size, size]``.
        """
        clutter = self.draw_clutter(len(kinds)) if clutter is None else clutter
        canvas = self._background(len(kinds))
        for column in clutter.unbind(1):
            canvas = paint(canvas, self._draw_objects(column, self.style.clutter_radius, shift=0.8))
        canvas = paint(canvas, self._draw_objects(kinds, self.style.radius, shift=self.style.shift))
        return (self._develop(canvas) * 255).round().clamp(0, 255).to(torch.uint8)

    def draw_clutter(self, count: int) -> Tensor:
        """Draw kinds of smaller objects, int64 ``[N, C]``; -1 for none."""
        chances = torch.tensor(self.style.clutter)
        kinds = torch.randint(len(KINDS), (count, len(chances)), generator=self.generator)
        return torch.where(self._uniform(count, len(chances)) < chances, kinds, -1)

    def _uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.generator)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator)

    def _draw_objects(self, kinds: Tensor, radii: tuple[float, float], shift: float) -> Objects:
        """Draw attributes of one object per image; a negative kind gives an invisible one."""
        count, style = len(kinds), self.style
        attributes = torch.tensor(KINDS)[kinds.clamp(min=0)]
        turn = math.radians(style.turn)
        ratio = math.log(style.stretch)
        return Objects(
            texture=attributes[:, 0],
            color=attributes[:, 1],
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
        gray = self._uniform(count, 1, 1, 1, low=0.15, high=0.85)
        cast = self._normal(count, 3, 1, 1) * 0.08
        blotches = functional.interpolate(self._normal(count, 3, 4, 4), self.size, mode="bilinear")
        return (gray + cast + blotches * self.style.background * 0.5).clamp(0, 1)

    def _develop(self, canvas: Tensor) -> Tensor:
        """Apply lighting, exposure, tint, blur and noise."""
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
        """Apply a three-tap blur whose strength is drawn for each image."""
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
    """Draw the data set ``shapes``; the same arguments give the same bytes on one machine.

    Args:
        classes: Number of classes, at most the number of kinds.
        train: Number of training images per class.
        test: Number of test images per class.
        style: Rendering style.
        image_size: Height and width in pixels.
        seed: Seed of the images; the classes do not depend on it.
        after: Number of kinds to skip. From 100 on, no class belongs to a stream.

    Raises:
        ValueError: There are too few kinds.

    Example:
        >>> dataset = shapes(classes=2, train=3, test=1)
        >>> dataset.class_names, len(dataset.train)
        (('striped grey square', 'rimmed white diamond'), 6)
    """
    kinds = class_kinds(classes, after)
    if len(kinds) < classes:
        raise ValueError(f"{classes} classes after the first {after} kinds: there are only {len(KINDS)} kinds")
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
