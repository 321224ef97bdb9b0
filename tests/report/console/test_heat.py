from __future__ import annotations

import io
from itertools import pairwise

import pytest
from rich.color import Color, ColorSystem
from rich.console import Console

from clsim.report.console.heat import BLOCK, RAMP, has_shades, heat, legend
from clsim.report.matrix import lay_out

Rows = list[list[float]]


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_ramp_grows_lighter_and_every_ink_is_legible() -> None:
    assert all(luminance(a) < luminance(b) for (a, _), (b, _) in pairwise(RAMP))
    for ground, ink in RAMP:
        light, dark = sorted((luminance(ground), luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5


def test_the_ramp_is_the_same_where_there_are_256_colours() -> None:
    for ground, _ in RAMP:
        near = Color.parse(ground).downgrade(ColorSystem.EIGHT_BIT)
        assert near.get_truecolor().hex == ground


def test_the_colour_is_the_place_between_the_round_percents(matrix: Rows) -> None:
    picture = heat(lay_out(matrix), shades=True)  # 50 to 80%
    grounds = {}
    for span in picture.spans:
        text = picture.plain[span.start : span.end].strip()
        if " on #" in str(span.style) and text:
            grounds[text] = str(span.style).split(" on ")[1].split()[0]
    assert grounds["58.89"] == RAMP[2][0]
    assert grounds["63.14"] == RAMP[4][0]
    assert grounds["77.16"] == RAMP[9][0]
    assert grounds["!"] == "#d70000"


def test_without_shades_no_background_and_failures_still_stand_out(matrix: Rows) -> None:
    picture = heat(lay_out(matrix), shades=False)
    styles = [str(span.style) for span in picture.spans]
    assert not any(" on " in style for style in styles)
    assert "bold red" in styles
    assert [line.rstrip() for line in picture.plain.split("\n")] == lay_out(matrix).lines()


def test_the_legend_shows_the_scale_where_there_are_shades(matrix: Rows) -> None:
    grid = lay_out(matrix)
    (line,) = legend(grid, 100, shades=True)
    assert line.plain.endswith(f" · 50% {BLOCK * 10} 80%")
    assert [str(span.style) for span in line.spans] == [ground for ground, _ in RAMP]
    assert BLOCK not in legend(grid, 100, shades=False)[0].plain
    assert all(line.cell_len <= 40 for line in legend(grid, 40, shades=True))


def test_every_ground_is_used_for_what_is_possible() -> None:
    grid = lay_out([[0.0], [1.0, 1.0]])
    assert heat(grid, shades=True).plain.split("\n")[1:] == ["0    0.00*", "1  100.00  100.00*"]


@pytest.mark.parametrize(
    ("system", "no_color", "shades"),
    [("truecolor", False, True), ("256", False, True), ("standard", False, False), ("256", True, False)],
)
def test_sixteen_colours_are_too_few(system: str, no_color: bool, shades: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=system, no_color=no_color)  # type: ignore[arg-type]
    assert has_shades(console) == shades
