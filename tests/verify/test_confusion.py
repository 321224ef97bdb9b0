"""`confusion.json` is checked against the accuracies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clsim.results.reader import read_run
from clsim.verify.check import Check
from clsim.verify.confusion import WHAT, check_confusion
from clsim.verify.verification import verify

Changed = Callable[[dict[str, Any]], object]


def checked(path: Path, change: Changed) -> Check:
    content = json.loads((path / "confusion.json").read_text())
    change(content)
    (path / "confusion.json").write_text(json.dumps(content))
    (check,) = check_confusion(read_run(path))
    return check


def test_a_run_agrees(run: Callable[[str], Path]) -> None:
    assert checked(run("fscil"), lambda content: None).verdict == "agrees"
    assert WHAT in [check.what for check in verify(run("replaced")).checks]


def one_right_more(content: dict[str, Any]) -> None:
    entry = next(entry for entry in content["classes"] if entry["mistaken_for"])
    entry["mistaken_for"][0][1] -= 1
    entry["correct"] += 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (one_right_more, "accuracy"),
        (lambda content: content["classes"][0].update(images=99), "99 images"),
        (lambda content: content["classes"][0].update({"class": 77}), "class 77 had not been seen"),
        (lambda content: content.update(session=0), "it is of session 0"),
        (lambda content: content.update(session=9), "it is of session 9"),
        (lambda content: content["classes"].pop(), "accuracy"),
    ],
)
def test_what_was_changed_is_found(run: Callable[[str], Path], change: Changed, says: str) -> None:
    check = checked(run("upgrade"), change)
    assert check.verdict == "DIFFERS"
    assert says in check.detail


def test_a_run_without_the_file_says_nothing_of_it(run: Callable[[str], Path]) -> None:
    path = run("fscil")
    (path / "confusion.json").unlink()
    assert list(check_confusion(read_run(path))) == []
    assert not (run("texts") / "confusion.json").exists()


@pytest.mark.parametrize(("sessions", "verdict"), [(4, "agrees"), (2, "not checked")])
def test_a_run_that_was_killed_may_have_one_of_another_session(
    run: Callable[[str], Path], sessions: int, verdict: str
) -> None:
    path = run("upgrade")
    results = json.loads((path / "results.json").read_text())
    results["status"] = "interrupted"
    more = {**results["sessions"][-1], "session": 3, "new_classes": []}
    results["sessions"] = [*results["sessions"], more][:sessions]
    (path / "results.json").write_text(json.dumps(results))
    (check,) = check_confusion(read_run(path))
    assert check.verdict == verdict
