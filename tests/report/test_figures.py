from __future__ import annotations

import math

import pytest

from clsim.report import figures
from clsim.utils import numbers


def test_percents_have_two_decimals_and_what_is_missing_is_a_dash() -> None:
    assert numbers.percent(0.8783) == "87.83%"
    assert numbers.percent(1) == "100.00%"
    assert numbers.percent(None) == numbers.percent(math.nan) == "-"
    assert numbers.points(-0.0083) == "-0.83"
    assert numbers.points(0.1) == "+10.00"
    assert numbers.points(numbers.difference(0.5, None)) == "-"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.84, "0.8 s"), (12.4, "12 s"), (59.7, "1:00"), (185, "3:05"), (3723, "1:02:03"), (None, "-")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert numbers.duration(seconds) == text


def test_counts_and_plurals() -> None:
    assert numbers.count(406272) == "406,272"
    assert figures.several(1, "new class") == "1 new class"
    assert figures.several(1200, "image") == "1,200 images"
    assert figures.several(5, "new class") == "5 new classes"


def test_class_ids_name_a_range_or_the_first() -> None:
    assert figures.class_ids([60, 61, 62]) == "60 to 62"
    assert figures.class_ids([7, 3]) == "7, 3"
    assert figures.class_ids([9, 7, 5, 3, 1, 0, 2, 4, 6]) == "9, 7, 5, 3, 1, 0, 2, 4, ..."


def test_throughput_counts_training_time_only() -> None:
    record = {"images_trained": 1000, "train_seconds": 4.0, "eval_seconds": 1.0}
    assert figures.images_per_second(record) == 250.0
    assert figures.total_seconds(record) == 5.0
    assert figures.images_per_second({"images_trained": 0, "train_seconds": 0.0}) is None
    assert figures.total_seconds({}) is None


def test_a_stand_in_says_what_why_and_how(missing: dict[str, str]) -> None:
    text = " ".join(figures.stand_in_sentences("shapes_fscil", missing))
    assert text == (
        "shapes_fscil runs in place of cifar_fscil. Why: cifar100 is not here. "
        "For the real thing: run `clsim data fetch cifar100`."
    )
    assert "clsim data status" in figures.stand_in_sentences("s", {"scenario": "a", "because": "b"})[2]
    assert figures.stand_in_sentences("cifar_fscil", None) == []


def test_parts_are_packed_whole() -> None:
    assert figures.packed(["aa", "bb", "cc"], 7) == ["aa · bb", "cc"]
    assert figures.packed(["a" * 9, "b", "c c c"], 5) == ["aaaaa", "aaaa", "b", "c c c"]
    assert figures.packed([], 9) == []
