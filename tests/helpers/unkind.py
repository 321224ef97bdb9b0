"""Names that no page, table or terminal may obey."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clsim.data.core.images import DataSet
from helpers.tiny import tiny_dataset

ATTACK = "<script>alert(1)</script>"
QUOTED = "'\"><img src=x onerror=alert(2)>{{ 7 * 7 }}</script>"
PUBLISHED: dict[str, Any] = {
    "stationary": {"accuracy": [0.71, 0.62, 0.53], "am": 0.6, "source": f"A paper {ATTACK}"},
    f"other{QUOTED}": {"accuracy": [0.6, 0.5, 0.4], "source": "http://example.org/paper"},
}


def unkind() -> DataSet:
    """The tiny world with such names of classes."""
    made = tiny_dataset()
    names = tuple((ATTACK, QUOTED, "\u202etxt.exe", "\udcff", "two\nlines")[i % 5] + f" {i}" for i in range(10))
    train, test = (replace(part, class_names=names) for part in (made.train, made.test))
    return DataSet("tiny", train, test)
