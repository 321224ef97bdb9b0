"""Former names of settings and arguments, accepted for one version with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import TypeVar

from clsim.utils.errors import ArgumentError, RenamedWarning

RENAMED: Mapping[str, str] = {
    "alignment": "alignment_weight",
    "classification": "classification_weight",
    "contrast": "contrast_weight",
    "decayed": "weight_decay_on",
    "distillation": "distillation_weight",
    "first_teacher": "first_session_teacher",
    "influence": "influence_weight",
    "initialisation": "initialization",
    "kept": "distillation_weight",
    "lanes": "cpu_workers",
    "matched": "pair_weight",
    "model": "name",
    "own": "own_weight",
    "pretrained": "weights",
    "prototype": "prototype_weight",
    "regularise": "regularize",
    "to_images": "old_image_weight",
    "to_texts": "old_text_weight",
    "zero_init": "zero_init_last",
}
"""New names by former ones: of keys of scenarios, settings of strategies and arguments in Python."""

T = TypeVar("T")


def renamed(given: Collection[str], known: Collection[str]) -> dict[str, str]:
    """Return the new names of those given names that are no longer known.

    A name that is still in use somewhere keeps its meaning there.

    Args:
        given: Names as they were written.
        known: Names in use.

    Example:
        >>> renamed(["lanes", "epochs"], ["cpu_workers", "epochs"])
        {'lanes': 'cpu_workers'}
        >>> renamed(["lanes"], ["lanes"])
        {}

    """
    return {name: RENAMED[name] for name in given if name not in known and RENAMED.get(name) in known}


def with_new_names(given: Mapping[str, T], known: Collection[str], where: str) -> dict[str, T]:
    """Return arguments under their new names, with a warning for each former one.

    Args:
        given: Arguments by name.
        known: Names in use.
        where: Place for messages, such as the name of the function.

    Raises:
        ArgumentError: An argument is given under both names.

    """
    names = renamed(given, known)
    for former, new in names.items():
        if new in given:
            raise ArgumentError(f"'{former}' is the former name of '{new}': give one of them", where=where)
        warn_of(former, new, where)
    return {names.get(name, name): value for name, value in given.items()}


def warn_of(former: str, new: str, where: str) -> None:
    """Warn that a name was replaced by a new one."""
    text = f"{where}: '{former}' is now '{new}'; the former name works in this version only"
    warnings.warn(text, RenamedWarning, stacklevel=3)
