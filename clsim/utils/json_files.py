"""Strict reader of JSON: any content ends in a value or in a clear error."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from clsim.utils.errors import UserError

MAX_DEPTH = 16
"""Of JSON; the files that clsim writes are half as deep."""


def read_json(path: Path) -> Any:
    """Read a file of JSON.

    Raises:
        UserError: It cannot be read, or its content is refused by :func:`parse_json`.

    """
    return parse_json(read_text(path), str(path))


def read_text(path: Path) -> str:
    """Read a text file; refuse a pipe or a device, which would block.

    Raises:
        UserError: It is no file, cannot be read, or is not UTF-8.

    """
    if not path.is_file():
        raise UserError("this is no file", where=str(path))
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text (byte {error.start})", where=str(path)) from error
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from error


def parse_json(text: str, where: str, *, first_line: int = 1) -> Any:
    """Parse JSON; ``where`` names its file in messages.

    Raises:
        UserError: It is not JSON, holds NaN or infinity, or is nested too deep.

    Example:
        >>> parse_json('{"a": [1]}', "a.json")
        {'a': [1]}

    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        place = f"{where}:{first_line + error.lineno - 1}"
        raise UserError(f"not valid JSON: {error.msg}", where=place) from error
    except ValueError as error:  # NaN, infinity, or a number of thousands of digits
        raise UserError(f"not valid JSON: {error}", where=f"{where}:{first_line}") from error
    except RecursionError as error:
        raise UserError("not what clsim writes: nested too deep", where=f"{where}:{first_line}") from error
    level, depth = [value], 0
    while level := [part for whole in level for part in _parts(whole)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise UserError(f"not what clsim writes: nested deeper than {MAX_DEPTH} levels", where=where)
    return value


def _parts(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no figure")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no figure")
    return value
