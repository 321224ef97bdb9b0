"""Public names of a package that are imported on first use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def lazy_exports(
    package: str, homes: Mapping[str, str], modules: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package whose modules are slow to import (PEP 562).

    Args:
        package: Name of the package, its ``__name__``.
        homes: Module that defines each public name.
        modules: Names of public submodules.

    Example:
        >>> load, names = lazy_exports("clsim", {"Images": "clsim.data.core.images"}, ["losses"])
        >>> names()
        ['Images', 'losses']
        >>> load("losses").__name__
        'clsim.losses'

    """

    def load(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    def names() -> list[str]:
        return sorted({*homes, *modules})

    return load, names
