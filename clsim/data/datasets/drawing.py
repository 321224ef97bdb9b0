"""Rendering of one textured shape per image from signed distance functions, many images at once.

The image spans [-1, 1] in x (right) and y (down). In the frame (u, v) of an object, its center is the origin and its
radius is 1. A distance is negative inside the shape, in units of the radius.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.12, 0.12),
    "orange": (0.98, 0.55, 0.10),
    "yellow": (0.95, 0.88, 0.15),
    "green": (0.13, 0.62, 0.18),
    "cyan": (0.20, 0.85, 0.88),
    "blue": (0.13, 0.25, 0.85),
    "purple": (0.50, 0.15, 0.68),
    "pink": (0.98, 0.55, 0.75),
    "brown": (0.45, 0.26, 0.10),
    "white": (0.96, 0.96, 0.96),
    "grey": (0.50, 0.50, 0.50),
    "black": (0.06, 0.06, 0.06),
}

Field = Callable[[Tensor, Tensor], Tensor]


def _polygon(sides: int, radius: float, turn: float = 0.0) -> Field:
    """Return the distance to a regular polygon with circumradius ``radius`` and one edge facing ``turn`` (radians)."""
    normals = [2 * math.pi * k / sides + turn for k in range(sides)]
    apothem = radius * math.cos(math.pi / sides)

    def distance(u: Tensor, v: Tensor) -> Tensor:
        edges = [u * math.cos(a) + v * math.sin(a) for a in normals]
        return torch.stack(edges).amax(0) - apothem

    return distance


def _circle(u: Tensor, v: Tensor) -> Tensor:
    return torch.hypot(u, v) - 0.92


def _ring(u: Tensor, v: Tensor) -> Tensor:
    return (torch.hypot(u, v) - 0.70).abs() - 0.27


def _cross(u: Tensor, v: Tensor) -> Tensor:
    a, b = u.abs(), v.abs()
    upright = torch.maximum(a - 0.32, b - 1.0)
    level = torch.maximum(a - 1.0, b - 0.32)
    return torch.minimum(upright, level)


def _star(u: Tensor, v: Tensor) -> Tensor:
    """Five points: fold the plane to one tenth, then measure to the edge from tip to notch."""
    sector = math.pi / 5
    angle = torch.remainder(torch.atan2(u, -v) + sector, 2 * sector) - sector
    length = torch.hypot(u, v)
    x, y = length * angle.sin().abs(), length * angle.cos()
    notch = (0.46 * math.sin(sector), 0.46 * math.cos(sector))
    edge = (notch[0], notch[1] - 1.08)
    norm = math.hypot(*edge)
    return -(x * edge[1] - (y - 1.08) * edge[0]) / norm


def _heart(u: Tensor, v: Tensor) -> Tensor:
    """Two lobes, and a wedge whose sides touch them at 45 degrees."""
    a, b = u.abs(), v + 0.12
    lobe = torch.hypot(a - 0.45, b + 0.33) - 0.52
    side = (a + b) * math.sqrt(0.5) - 0.605
    below_contact = (a - b - 0.78) * math.sqrt(0.5)
    wedge = torch.stack([side, below_contact, -0.33 - b]).amax(0)
    return torch.minimum(lobe, wedge)


def _arrow(u: Tensor, v: Tensor) -> Tensor:
    """Head over a shaft, pointing up."""
    a = u.abs()
    head = torch.maximum((a - (v + 1.05) * 0.95) * 0.725, v + 0.05)
    shaft = torch.maximum(a - 0.30, (v - 0.45).abs() - 0.52)
    return torch.minimum(head, shaft)


def _crescent(u: Tensor, v: Tensor) -> Tensor:
    return torch.maximum(torch.hypot(u, v) - 0.98, 0.80 - torch.hypot(u - 0.45, v))


SHAPES: dict[str, Field] = {
    "circle": _circle,
    "square": _polygon(4, 1.15),
    "triangle": _polygon(3, 1.15, math.pi / 2),
    "star": _star,
    "cross": _cross,
    "ring": _ring,
    "heart": _heart,
    "crescent": _crescent,
    "arrow": _arrow,
    "diamond": lambda u, v: (u.abs() / 0.68 + v.abs() / 1.1 - 1.0) * 0.58,
}


def _wave(phase: Tensor) -> Tensor:
    """Square wave with soft edges, in [0, 1]."""
    return (0.5 + 1.6 * phase.sin()).clamp(0, 1)


def _dots(u: Tensor, v: Tensor, turn: Tensor) -> Tensor:
    return (0.5 + 2.2 * (u.cos() * v.cos() - 0.30)).clamp(0, 1)


# A texture takes u, v and the distance in radians of its period.
TEXTURES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "plain": lambda u, v, d: torch.zeros_like(u),
    "striped": lambda u, v, d: _wave(v),
    "dotted": _dots,
    "checkered": lambda u, v, d: (0.5 + 2.0 * u.sin() * v.sin()).clamp(0, 1),
    "ringed": lambda u, v, d: _wave(d - 0.4),
    "rimmed": lambda u, v, d: (0.5 + 1.5 * (d + 2.2)).clamp(0, 1),
}


@dataclass(frozen=True)
class Objects:
    """One object per image.

    Attributes:
        texture: Index into `TEXTURES`, int64 ``[N]``.
        color: Index into `COLORS`, int64 ``[N]``.
        shape: Index into `SHAPES`, int64 ``[N]``.
        x: Horizontal center in image coordinates, ``[N]``.
        y: Vertical center in image coordinates, ``[N]``.
        radius: Radius in image coordinates, ``[N]``.
        turn: Rotation in radians, ``[N]``.
        stretch: Width divided by height, ``[N]``.
        period: Period of the texture in image coordinates, ``[N]``.
        tone: Offset added to the color, ``[N, 3]``.
        opacity: 1 draws the object, 0 omits it, ``[N]``.
    """

    texture: Tensor
    color: Tensor
    shape: Tensor
    x: Tensor
    y: Tensor
    radius: Tensor
    turn: Tensor
    stretch: Tensor
    period: Tensor
    tone: Tensor
    opacity: Tensor


def second_tone(color: Tensor) -> Tensor:
    """Return the second color of a texture: darker for light colors, lighter for dark ones; ``[N, 3]``."""
    luminance = color @ torch.tensor([0.299, 0.587, 0.114])
    return torch.where(luminance[:, None] > 0.4, color * 0.40, color * 0.45 + 0.50)


def paint(canvas: Tensor, objects: Objects) -> Tensor:
    """Draw one object with smooth edges on each image of ``canvas`` ``[N, 3, S, S]``, float in [0, 1]."""
    size = canvas.shape[-1]
    axis = (torch.arange(size) + 0.5) * (2 / size) - 1
    columns = {name: getattr(objects, name)[:, None, None] for name in ("x", "y", "radius", "turn", "stretch")}
    x, y = axis[None, None, :] - columns["x"], axis[None, :, None] - columns["y"]
    cos, sin, radius = columns["turn"].cos(), columns["turn"].sin(), columns["radius"]
    width = columns["stretch"].sqrt()
    u, v = (x * cos + y * sin) / (radius * width), (y * cos - x * sin) * width / radius

    distance, mask = torch.empty_like(u), torch.empty_like(u)
    for index, field in enumerate(SHAPES.values()):
        rows = (objects.shape == index).nonzero()[:, 0]
        distance[rows] = field(u[rows], v[rows])
    scale = 2 * math.pi * radius / objects.period[:, None, None]
    for index, texture in enumerate(TEXTURES.values()):
        rows = (objects.texture == index).nonzero()[:, 0]
        mask[rows] = texture(u[rows] * scale[rows], v[rows] * scale[rows], distance[rows] * scale[rows])

    palette = torch.tensor(list(COLORS.values()))
    color = (palette[objects.color] + objects.tone).clamp(0, 1)
    texture_color = torch.lerp(color[:, :, None, None], second_tone(color)[:, :, None, None], mask[:, None])
    coverage = (0.5 - distance * radius * size / 2).clamp(0, 1) * objects.opacity[:, None, None]
    return torch.lerp(canvas, texture_color, coverage[:, None])
