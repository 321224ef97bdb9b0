"""Data sets from outside clsim, by name. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from clsim.data.facts import FACTS, Facts
from clsim.utils.errors import ArgumentError

if TYPE_CHECKING:
    from clsim.data.core.images import DataSet

LOADERS: dict[str, Callable[[], DataSet]] = {}


def register_dataset(name: str, load: Callable[[], DataSet], facts: Facts) -> None:
    """Add a data set; scenarios and :func:`~clsim.data.load_dataset` then accept its name.

    Call it in a module that an installed package names as an entry point of the group ``clsim.extensions``, so that the
    command line knows the data set, too.

    Args:
        name: Name in scenarios.
        load: Function that loads the data set.
        facts: Facts that a scenario is checked against before the data set is loaded.

    Raises:
        ArgumentError: The name is in use or malformed.

    Example:
        >>> from clsim.data import Facts, load_dataset
        >>> register_dataset("shapes_again", lambda: load_dataset("shapes"), Facts(100, 50, 20, 32, None, "an example"))
        >>> len(load_dataset("shapes_again").class_names)
        100

    """
    if not name.isidentifier():
        raise ArgumentError(f"data set {name!r}: a name has letters, digits and underscores", where="register_dataset")
    if name in FACTS and name not in LOADERS:
        raise ArgumentError(f"data set {name!r}: this name is in use", where="register_dataset", fix="choose another")
    LOADERS[name] = load
    FACTS[name] = facts
