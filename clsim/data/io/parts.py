"""Recognize the training and the test part of a data set by the names of its folders."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from clsim.utils.errors import UserError

TRAIN = ("train", "training", "trn")
TEST_FAMILIES = (
    ("test", "testing", "tst"),
    ("val", "valid", "validation"),
    ("dev", "devel", "development"),
    ("eval", "evaluation"),
    ("holdout",),
)
"""Names of a test part, the best first: what lies beside it under a later name is left out."""
FILLERS = ("set", "sets", "data", "dataset", "image", "images", "img", "imgs", "split", "part", "samples")
TEST_FAMILY = {word: family for family, words in enumerate(TEST_FAMILIES) for word in words}
WORD = re.compile(rf"({'|'.join(sorted([*TRAIN, *TEST_FAMILY], key=len, reverse=True))})({'|'.join(FILLERS)})?")
CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
LAYOUT = "the layout is CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE"


class Role(NamedTuple):
    """What a folder's name says: ``seg_train`` is the training part of ``seg``.

    Attributes:
        training: Whether it is a training part.
        family: Place of its word in `TEST_FAMILIES`; 0 for a training part.
        rest: Other words of the name.
    """

    training: bool
    family: int
    rest: tuple[str, ...]


class Parts(NamedTuple):
    """Folders of the two parts, and those beside them that belong to neither."""

    train: str
    test: str
    aside: tuple[str, ...]


def role_of(folder: str) -> Role | None:
    """Return the role that the name of a folder tells, None if it tells none or several."""
    tokens = re.findall(r"[^\W\d_]+|\d+", CAPITAL.sub(" ", folder).lower())
    roles = [match[1] for token in tokens if (match := WORD.fullmatch(token))]
    if len(roles) != 1:
        return None
    rest = tuple(token for token in tokens if token not in FILLERS and not WORD.fullmatch(token))
    return Role(roles[0] in TRAIN, TEST_FAMILY.get(roles[0], 0), rest)


def find_parts(paths: Sequence[tuple[str, ...]]) -> Parts | None:
    """Return the folders of the training and the test part, or None if the first folder of a path is its class.

    Args:
        paths: Parts of the path of every image.

    Raises:
        UserError: Folders are named like parts, but which is which cannot be told.
    """
    by_top: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        if len(path) > 1:
            by_top.setdefault(path[0], []).append(path[1:])
    roles = {top: role for top in by_top if (role := role_of(top))}
    rests = {role.rest for role in roles.values()}
    pairs = [rest for rest in rests if {role.training for role in roles.values() if role.rest == rest} == {True, False}]
    # Without a folder between it and its images, "test tube" is a class, and "test" a part without classes.
    pairs = [rest for rest in pairs if not rest or any(_has_folders(by_top[top]) for top in roles)]
    if len(pairs) > 1:
        raise _unclear([top for top, role in roles.items() if role.rest in pairs])
    if not pairs:
        _refuse_lonely(by_top, roles)
        _refuse_parts_within(by_top)
        return None
    of_pair = {top: role for top, role in roles.items() if role.rest == pairs[0]}
    train = [top for top, role in of_pair.items() if role.training]
    best = min(role.family for role in of_pair.values() if not role.training)
    test = [top for top, role in of_pair.items() if not role.training and role.family == best]
    if len(train) > 1 or len(test) > 1:
        raise _unclear(train if len(train) > 1 else test)
    return Parts(train[0], test[0], tuple(sorted(set(by_top) - {train[0], test[0]})))


def same_within(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the folders that lie within every first folder alike, if there are several: they may be the classes."""
    within: dict[str, set[str]] = {}
    for path in paths:
        within.setdefault(path[0], set()).add(path[1] if len(path) > 2 else "")
    first, *others = within.values()
    alike = others and len(first) > 1 and "" not in first and all(each == first for each in others)
    return tuple(sorted(first)) if alike else ()


def _has_folders(below: Collection[tuple[str, ...]]) -> bool:
    return all(len(path) > 1 for path in below)


def _refuse_lonely(by_top: Mapping[str, Sequence[tuple[str, ...]]], roles: Mapping[str, Role]) -> None:
    """A folder named like a part, with folders in it, among others that are no counterpart: it would be a class."""
    for top, role in sorted(roles.items()):
        if len(by_top) > 1 and not role.rest and _has_folders(by_top[top]):
            other = "test" if role.training else "training"
            raise UserError(
                f"{top}/ looks like a part of the data set, but no folder beside it is named like its {other} part",
                fix=f"{LAYOUT}; if {top!r} is a class, put its images right into its folder",
            )


def _refuse_parts_within(by_top: Mapping[str, Sequence[tuple[str, ...]]]) -> None:
    """CLASS/train/IMAGE and CLASS/test/IMAGE: the parts would be mixed."""
    for top, below in sorted(by_top.items()):
        roles = {path[0]: role for path in below if len(path) > 1 and (role := role_of(path[0])) and not role.rest}
        if {role.training for role in roles.values()} == {True, False}:
            raise UserError(f"the parts {', '.join(sorted(roles))} lie within the class {top!r}", fix=LAYOUT)


def _unclear(tops: Sequence[str]) -> UserError:
    named = ", ".join(f"{top}/" for top in sorted(tops))
    return UserError(f"it cannot be told which of these is the training and which the test part: {named}", fix=LAYOUT)
