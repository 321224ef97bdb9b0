"""Text features of classes, encoded once by a frozen CLIP."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from clsim.models.image_text import ImageTextModel
from clsim.utils.errors import UserError

if TYPE_CHECKING:
    from clsim.models.clip import LoadedClip


def class_text_features(clip: LoadedClip, class_names: Sequence[str], template: str) -> Tensor:
    """Return the unit features of the texts of classes, ``(C, E)``.

    Args:
        clip: Loaded CLIP.
        class_names: Name of every class id.
        template: Text of a class, with ``[]`` for its name.

    Raises:
        UserError: The template lacks ``[]``.

    """
    if "[]" not in template:
        raise UserError(f"the template {template!r} lacks [], the place of the class name", where="strategy.template")
    return ImageTextModel(clip).features_of([template.replace("[]", name) for name in class_names])


def description_features(
    clip: LoadedClip, class_names: Sequence[str], descriptions: Mapping[str, Sequence[str]]
) -> tuple[Tensor, list[int]]:
    """Return the unit features of all descriptions of classes, ``(T, E)``, and the class id of each.

    Args:
        clip: Loaded CLIP.
        class_names: Name of every class id.
        descriptions: Sentences by class name; capitals and underscores make no difference.

    Raises:
        UserError: A class has no description.

    """
    by_name = {_plain(name): list(sentences) for name, sentences in descriptions.items()}
    missing = [name for name in class_names if not by_name.get(_plain(name))]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise UserError(f"{len(missing)} classes have no description: {shown}", where="strategy.descriptions")
    pairs = [(label, text) for label, name in enumerate(class_names) for text in by_name[_plain(name)]]
    return ImageTextModel(clip).features_of([text for _, text in pairs]), [label for label, _ in pairs]


def read_descriptions(path: str | Path) -> dict[str, list[str]]:
    """Return the descriptions of classes in a JSON file, lists of sentences by class name.

    Raises:
        UserError: The file cannot be read, or holds anything else.

    """
    where = f"strategy.descriptions: {path}"
    try:
        found: Any = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read: {error}", where=where) from error
    lists = isinstance(found, dict) and all(isinstance(value, list) for value in found.values())
    if not lists or not all(isinstance(text, str) for texts in found.values() for text in texts):
        raise UserError("expected lists of sentences by class name", where=where)
    return {str(name): list(texts) for name, texts in found.items()}


def _plain(name: str) -> str:
    return name.lower().replace("_", " ")
