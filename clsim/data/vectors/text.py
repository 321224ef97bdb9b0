"""Values and tables in text files: `.txt` has one value per line, `.csv` and `.tsv` have columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clsim.data.vectors.entry import Entries, Entry

_WHOLE = re.compile(r"[+-]?\d{1,18}")


def text_entries(path: Path) -> Entries:
    """Return the columns of a text file as whole numbers, or as texts if a value is no whole number.

    A file with one column has no header. In one with several, the first line names the columns.
    """
    suffix = path.suffix.lower()
    with path.open(encoding="utf-8-sig", newline="") as stream:
        if suffix == ".txt":
            rows = [[line.rstrip("\r\n")] for line in stream]
        else:
            rows = list(csv.reader(stream, delimiter="\t" if suffix == ".tsv" else ",", strict=True))
    if not rows:
        raise ValueError("it is empty")
    for number, row in enumerate(rows, 1):
        if not row or len(row) != len(rows[0]) or not all(value.strip() for value in row):
            raise ValueError(f"line {number} has no {len(rows[0])} value(s)")
    if len(rows[0]) == 1:
        return {"": _entry([row[0] for row in rows])}
    names = [name.strip() for name in rows[0]]
    if len(set(names)) < len(names):
        raise ValueError(f"line 1 names a column twice: {', '.join(names)}")
    columns = zip(*rows[1:], strict=True) if len(rows) > 1 else [[] for _ in names]
    return {name: _entry(list(column)) for name, column in zip(names, columns, strict=True)}


def _entry(values: Sequence[str]) -> Entry:
    stripped = [value.strip() for value in values]
    whole = all(_WHOLE.fullmatch(value) for value in stripped)
    return Entry((len(stripped),), "int64" if whole else "text", partial(_array, stripped, whole))


def _array(values: Sequence[str], whole: bool) -> NDArray[Any]:
    return np.array([int(value) for value in values], dtype=np.int64) if whole else np.array(values, dtype=str)
