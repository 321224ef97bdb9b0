"""Numbers as text for people."""

from __future__ import annotations

import math

DASH = "-"
"""Stands for a number that is missing."""
UNITS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
"""Prefixes of large units."""


def finite(value: object) -> float | None:
    """Return `value` as a float, or ``None`` if it is not a finite number.

    Example:
        >>> finite(1), finite(float("nan")), finite("1"), finite(True)
        (1.0, None, None, None)

    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def difference(ours: object, theirs: object) -> float | None:
    """Return `ours` - `theirs`, or ``None`` if either is missing.

    Example:
        >>> difference(3, 1), difference(None, 1)
        (2.0, None)

    """
    a, b = finite(ours), finite(theirs)
    return None if a is None or b is None else a - b


def percent(fraction: object) -> str:
    """Format a fraction in percent.

    Example:
        >>> percent(0.8783), percent(None)
        ('87.83%', '-')

    """
    value = finite(fraction)
    return DASH if value is None else f"{100 * value:.2f}%"


def points(difference: object) -> str:
    """Format a difference of two fractions in percentage points.

    Example:
        >>> points(0.0123)
        '+1.23'

    """
    value = finite(difference)
    return DASH if value is None else f"{100 * value:+.2f}"


def duration(seconds: object) -> str:
    """Format seconds with as much precision as their size needs.

    Example:
        >>> duration(0.84), duration(12), duration(185), duration(3723)
        ('0.8 s', '12 s', '3:05', '1:02:03')

    """
    value = finite(seconds)
    if value is None:
        return DASH
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def count(value: object) -> str:
    """Format a count with separators of thousands.

    Example:
        >>> count(406272)
        '406,272'

    """
    number = finite(value)
    return DASH if number is None else f"{number:,.0f}"


def mebibytes(value: object) -> str:
    """Format bytes in MiB.

    Example:
        >>> mebibytes(3 << 20)
        '3.0 MiB'

    """
    number = finite(value)
    return DASH if number is None else f"{number / (1 << 20):,.1f} MiB"


def flops(value: object) -> str:
    """Format a number of floating-point operations with a unit.

    Example:
        >>> flops(5.1e12), flops(312.4e6), flops(812)
        ('5.10 TFLOPs', '312.40 MFLOPs', '812.00 FLOPs')

    """
    number = finite(value)
    if number is None:
        return DASH
    size, unit = next(((size, unit) for size, unit in UNITS if abs(number) >= size), (1.0, ""))
    return f"{number / size:,.2f} {unit}FLOPs"


def four_digits(value: object) -> str:
    """Format a number without a unit, with four significant digits.

    Example:
        >>> four_digits(0.731264)
        '0.7313'

    """
    number = finite(value)
    return DASH if number is None else f"{number:.4g}"
