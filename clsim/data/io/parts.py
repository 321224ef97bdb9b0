"""Detection of the training and test folders of a data set by their names."""

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
"""Words for a test part in order of preference; folders of a later family are left out."""
FILLERS = ("set", "sets", "data", "dataset", "image", "images", "img", "imgs", "split", "part", "samples")
TEST_FAMILY = {word: family for family, words in enumerate(TEST_FAMILIES) for word in words}
WORD = re.compile(rf"({'|'.join(sorted([*TRAIN, *TEST_FAMILY], key=len, reverse=True))})({'|'.join(FILLERS)})?")
CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
LAYOUT = "the layout is CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE"


class Role(NamedTuple):
    """Role of a folder by its name: ``seg_train`` is the training part of ``seg``.

    Attributes:
        training: Whether it is a training part.
        family: Index of its word in `TEST_FAMILIES`; 0 for a training part.
        rest: Other words of the name.
    """

    training: bool
    family: int
    rest: tuple[str, ...]


class Parts(NamedTuple):
    """Training and test folders.

    Attributes:
        train: Training folder.
        test: Test folder.
        aside: Other folders beside them.
    """

    train: str
    test: str
    aside: tuple[str, ...]


def role_of(folder: str) -> Role | None:
    """Return the role of a folder by its name; None if the name has no word for a part, or several."""
    tokens = re.findall(r"[^\W\d_]+|\d+", CAPITAL.sub(" ", folder).lower())
    roles = [match[1] for token in tokens if (match := WORD.fullmatch(token))]
    if len(roles) != 1:
        return None
    rest = tuple(token for token in tokens if token not in FILLERS and not WORD.fullmatch(token))
    return Role(roles[0] in TRAIN, TEST_FAMILY.get(roles[0], 0), rest)


def find_parts(paths: Sequence[tuple[str, ...]]) -> Parts | None:
    """Return the training and test folders, or None if the first folder of each path is its class.

    Args:
        paths: Components of the path of every image.

    Raises:
        UserError: Folders are named like parts, but the names are ambiguous.
    """
    by_top: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        if len(path) > 1:
            by_top.setdefault(path[0], []).append(path[1:])
    roles = {top: role for top in by_top if (role := role_of(top))}
    rests = {role.rest for role in roles.values()}
    pairs = [rest for rest in rests if {role.training for role in roles.values() if role.rest == rest} == {True, False}]
    # Directly above its images, "test tube" is a class, and "test" a part without classes.
    pairs = [rest for rest in pairs if not rest or any(_has_folders(by_top[top]) for top in roles)]
    if len(pairs) > 1:
        raise _ambiguous([top for top, role in roles.items() if role.rest in pairs])
    if not pairs:
        _refuse_single_part(by_top, roles)
        _refuse_parts_within(by_top)
        return None
    of_pair = {top: role for top, role in roles.items() if role.rest == pairs[0]}
    train = [top for top, role in of_pair.items() if role.training]
    best = min(role.family for role in of_pair.values() if not role.training)
    test = [top for top, role in of_pair.items() if not role.training and role.family == best]
    if len(train) > 1 or len(test) > 1:
        raise _ambiguous(train if len(train) > 1 else test)
    return Parts(train[0], test[0], tuple(sorted(set(by_top) - {train[0], test[0]})))


def shared_subfolders(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the subfolders that all first folders share, if there are several; they may be the classes."""
    within: dict[str, set[str]] = {}
    for path in paths:
        within.setdefault(path[0], set()).add(path[1] if len(path) > 2 else "")
    first, *others = within.values()
    same = others and len(first) > 1 and "" not in first and all(each == first for each in others)
    return tuple(sorted(first)) if same else ()


def _has_folders(below: Collection[tuple[str, ...]]) -> bool:
    return all(len(path) > 1 for path in below)


def _refuse_single_part(by_top: Mapping[str, Sequence[tuple[str, ...]]], roles: Mapping[str, Role]) -> None:
    """Raise if a folder named like a part has no counterpart and holds folders; it is no class."""
    for top, role in sorted(roles.items()):
        if len(by_top) > 1 and not role.rest and _has_folders(by_top[top]):
            other = "test" if role.training else "training"
            raise UserError(
                f"{top}/ looks like one part of the data set, but there is no {other} folder beside it",
                fix=f"{LAYOUT}; if {top!r} is a class, put its images directly into the folder",
            )


def _refuse_parts_within(by_top: Mapping[str, Sequence[tuple[str, ...]]]) -> None:
    """Raise for CLASS/train/IMAGE and CLASS/test/IMAGE, whose parts would be mixed."""
    for top, below in sorted(by_top.items()):
        roles = {path[0]: role for path in below if len(path) > 1 and (role := role_of(path[0])) and not role.rest}
        if {role.training for role in roles.values()} == {True, False}:
            raise UserError(f"the parts {', '.join(sorted(roles))} are inside the class {top!r}", fix=LAYOUT)


def _ambiguous(tops: Sequence[str]) -> UserError:
    named = ", ".join(f"{top}/" for top in sorted(tops))
    return UserError(f"the training and test folders are ambiguous: {named}", fix=LAYOUT)
