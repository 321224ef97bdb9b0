"""Former keys of a scenario, rewritten to their new names before anything is checked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from clsim.config.models.classifier import ClassifierRecipe
from clsim.config.models.sources import TimmModel
from clsim.config.seeds import Seeds
from clsim.config.yaml import Document
from clsim.utils.errors import UserError
from clsim.utils.issues import KeyPath
from clsim.utils.renamed import renamed, warn_of

_RENEWED = {"classifier": ClassifierRecipe.model_fields, "timm": TimmModel.model_fields}
"""Fields of the kinds of models that had other keys before."""


def rename_blocks(document: Document, overridden: set[KeyPath] | None = None, *, warn: bool = True) -> None:
    """Rename former keys of ``seeds`` and ``models``, whose keys do not depend on a strategy.

    Args:
        document: Document of the scenario; changed.
        overridden: Paths that overrides have written; changed.
        warn: Whether former keys are reported.

    """
    rename_keys(document, ("seeds",), Seeds.model_fields, overridden, warn=warn)
    models = document.value.get("models")
    for name, recipe in models.items() if isinstance(models, dict) else ():
        fields = _RENEWED.get(str(recipe.get("kind"))) if isinstance(recipe, dict) else None
        if fields is not None:
            rename_keys(document, ("models", name), fields, overridden, warn=warn)


def rename_keys(
    document: Document,
    path: KeyPath,
    known: Collection[str],
    overridden: set[KeyPath] | None = None,
    *,
    warn: bool = True,
) -> None:
    """Rename former keys of one block. An override of one name replaces the other name in the file.

    Args:
        document: Document of the scenario; changed.
        path: Path of the block; nothing happens where the document has none.
        known: Keys in use.
        overridden: Paths that overrides have written; changed.
        warn: Whether former keys are reported.

    """
    written = set() if overridden is None else overridden
    block = _block(document.value, path)
    texts = [key for key in block if isinstance(key, str)]
    for former, new in renamed(texts, known).items():
        old_path: KeyPath = (*path, former)
        new_path: KeyPath = (*path, new)
        place = document.place(old_path)
        if new in block and (old_path in written) == (new_path in written):
            what = f"'{former}' is the former name of '{new}', and both are given"
            document.problems.append(UserError(what, where=place, fix=f"keep '{new}'"))
        value = block.pop(former)
        if new in block and new_path in written:
            continue
        if warn:
            warn_of(former, new, place)
        block[new] = value
        for known_path in [each for each in document.places if each[: len(old_path)] == old_path]:
            document.places[new_path + known_path[len(old_path) :]] = document.places.pop(known_path)
        if old_path in written:
            written.remove(old_path)
            written.add(new_path)


def _block(value: Any, path: KeyPath) -> dict[Any, Any]:
    """Return the block at a path; an empty one where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
