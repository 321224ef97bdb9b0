"""Checks of class texts: texts that the model cannot distinguish, and texts longer than its context."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from clsim.utils.errors import UserError

SHOWN = 3
"""Number of groups, and of classes in a group, that a message names."""


def check_class_texts(
    names: Sequence[str], texts: Sequence[str], tokens: Tensor, tokenizer: Callable[[list[str]], Tensor]
) -> tuple[str, ...]:
    """Return warnings about the texts of classes, one sentence each.

    Classes with the same tokens have the same features, so only the first of them can be predicted.

    Args:
        names: Names of the classes.
        texts: Texts of the classes, made from their names.
        tokens: Tokens of the texts, ``(K, L)``.
        tokenizer: Tokenizer that made them.

    Raises:
        UserError: Classes have the same tokens because their texts were cut off.

    """
    cut = _cut_off(texts, tokens, tokenizer)
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row, ids in enumerate(tokens.tolist()):
        alike[tuple(ids)].append(row)
    groups = [rows for rows in alike.values() if len(rows) > 1]
    length = tokens.shape[1]
    if any(row in cut for rows in groups for row in rows):
        count = sum(map(len, groups))
        raise UserError(
            f"{count} class texts exceed the {length} tokens that the model reads and are identical when cut off: "
            f"{_named(groups, names)}",
            where="strategy.template",
            fix="Shorten the template, or the names of the classes.",
        )
    found = []
    if groups:
        found.append(
            f"{sum(map(len, groups))} classes share their text with another class, so only the first of each group can "
            f"be predicted: {_named(groups, names)}. Rename them, or make them one class."
        )
    if cut:
        shown = ", ".join(repr(names[row]) for row in sorted(cut)[:SHOWN]) + (", ..." if len(cut) > SHOWN else "")
        found.append(
            f"{len(cut)} class texts exceed the {length} tokens that the model reads and are cut off: "
            f"{shown}. Shorten the template, or the names of the classes."
        )
    return tuple(found)


def _named(groups: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    shown = [" = ".join(repr(names[row]) for row in rows[:SHOWN]) + (" = ..." if len(rows) > SHOWN else "")
             for rows in groups[:SHOWN]]  # fmt: skip
    return "; ".join(shown) + ("; ..." if len(groups) > SHOWN else "")


def _cut_off(texts: Sequence[str], tokens: Tensor, tokenizer: Callable[[list[str]], Tensor]) -> set[int]:
    """Return the rows whose texts have more tokens than fit, start and end token included."""
    encode: Any = getattr(tokenizer, "encode", None)
    if encode is None:  # the length of the whole text is unknown
        return set()
    full = (tokens[:, -1] != 0).nonzero().flatten().tolist()
    return {row for row in full if len(encode(texts[row])) + 2 > tokens.shape[1]}
