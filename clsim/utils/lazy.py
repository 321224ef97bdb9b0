"""Public names of a package that are imported when they are first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_exports(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package whose modules are slow to import (PEP 562).

    Args:
        package: Name of the package, its ``__name__``.
        homes: For each public name the module that defines it.

    Example:
        >>> load, names = lazy_exports("clsim.data", {"Images": "clsim.data.core.images"})
        >>> names()
        ['Images']

    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    def names() -> list[str]:
        return sorted(homes)

    return load, names
