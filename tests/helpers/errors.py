"""Assertions on errors that do not depend on their wording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from clsim.utils.errors import UserError


@contextmanager
def refused(
    kind: type[BaseException] = UserError, *, where: str | None = None, names: Sequence[object] = ()
) -> Iterator[pytest.ExceptionInfo[BaseException]]:
    """Assert that the block raises an error which names the place and the values at fault.

    Args:
        kind: Class of the error.
        where: Part of the error's ``where``, such as a key, a file or a line; None skips the check.
        names: Keys, values and numbers that the whole error must mention, not sentences.

    """
    with pytest.raises(kind) as caught:
        yield caught
    error = caught.value
    if where is not None:
        found = getattr(error, "where", None)
        assert found is not None, f"the error names no place: {error}"
        assert where in found, f"{where!r} is not the place {found!r}"
    text = str(error)
    missing = [str(name) for name in names if str(name) not in text]
    assert not missing, f"the error does not mention {', '.join(missing)}: {text}"
