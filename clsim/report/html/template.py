"""Templates of pages: one HTML file with styles, scripts and the plotting library inside."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from itertools import count
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from clsim.report.table import Table
from clsim.utils.text import clean

HERE = "clsim.report.html"
Plotters = Mapping[type, Callable[[Any], dict[str, Any]]]
"""For each kind of chart, the function that returns it in the plotting library's format."""


def render(template: str, plotters: Plotters, *, package: str = HERE, **values: Any) -> str:
    """Return a page; every text among the values is escaped.

    Args:
        template: File of the template, which extends ``base.html.j2``.
        plotters: Kinds of charts in it.
        package: Package of the template.
        values: Values for the template.

    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name, ".") for name in dict.fromkeys((package, HERE))]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_readable,
    )
    numbers = count(1)
    environment.globals |= {
        "number": lambda: next(numbers),
        "plotted": lambda part: plotters[type(part)](part),
        "shade": shade,
        "is_chart": lambda part: type(part) in plotters,
        "asset": _asset,
    }
    return environment.get_template(template).render(library=library(), **values)


def shade(table: Table) -> tuple[float, float]:
    """Return the least figure of a heat map and the span above it."""
    values = [cell.value for row in table.rows for cell in row if cell.value is not None]
    return (min(values), max(values) - min(values)) if values else (0.0, 0.0)


@lru_cache(maxsize=1)
def library() -> Markup:
    """Return the plotting library, compressed to a third of its size."""
    script = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return Markup(base64.b64encode(gzip.compress(script, mtime=0)).decode())  # noqa: S704  (base64 needs no escape)


def _readable(value: Any) -> Any:
    """Return a text without characters that turn the direction of writing or do not print."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> Markup:
    """Return a file of this package."""
    return Markup(files(HERE).joinpath(name).read_text(encoding="utf-8"))  # noqa: S704  (our own)
