"""A strategy's settings, from its file's text alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from clsim.config.signatures import REQUIRED, Setting, argument_docs, read_signature
from clsim.utils.errors import UserErrors


def test_settings_come_from_the_text_and_nothing_is_executed(scenario: Path) -> None:
    signature = read_signature(Path("strategies/toy.py"))  # importing it would fail
    assert list(signature.settings) == [
        "backbone", "pretrained", "epochs", "base_epochs", "lr", "mode", "sizes", "regularise"
    ]  # fmt: skip
    assert signature.description == "A strategy for tests."
    assert signature.settings["epochs"] == Setting("epochs", "int", 5, "passes over a session.")
    assert signature.settings["mode"].expected == "replace or accumulate"
    assert signature.settings["mode"].description == "one of two."
    assert signature.settings["sizes"].default == [1, 2]
    assert "a_package_that_is_not_there" not in sys.modules


@pytest.mark.parametrize(
    ("annotation", "value", "checked"),
    [
        ("int", 3, 3),
        ("float", 3, 3.0),
        ("float | None", None, None),
        ("tuple[int, ...]", [1, 2], (1, 2)),
        ("dict[str, list[float]]", {"a": [1]}, {"a": [1.0]}),
    ],
)
def test_values_that_fit_are_taken(annotation: str, value: Any, checked: Any) -> None:
    got = Setting("x", annotation).check(value)
    assert got == checked
    assert type(got) is type(checked)


@pytest.mark.parametrize(
    ("name", "annotation", "value", "message"),
    [
        ("x", "int", "3", "a whole number, got the text '3'"),
        ("x", "int", True, "a whole number, got true"),
        ("x", "int", 3.0, "a whole number, got 3.0"),
        ("x", "int", 3.5, "a whole number, got 3.5"),
        ("x", "float", "1e-5", "a number, got the text"),
        ("x", "float", True, "a number, got true"),
        ("x", "float", float("nan"), "a number, got nan"),
        ("x", "float", float("inf"), "a number, got inf"),
        ("x", "bool", 1, "true or false, got 1"),
        ("x", "str", 5, "text, got 5"),
        ("x", "str", None, "text, got nothing"),
        ("x", "Literal['a', 'b']", "c", "a or b, got the text 'c'"),
        ("x", "list[int]", [1, "2"], "a list .*, got a list of 2"),
        ("x", "tuple[int, int]", [1], "a list .*, got a list of 1"),
        ("epochs", "int", -1, "at least 0, got -1"),
        ("base_epochs", "int | None", -1, "at least 0"),
        ("base_batch_size", "int", 0, "at least 1"),
        ("max_lr", "float", -0.1, "at least 0"),
    ],
)
def test_values_that_do_not_fit_are_refused_in_words(name: str, annotation: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Setting(name, annotation).check(value)


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("x = 1\n", None, "no function build"),
        ("def build(stream, *, a: int = 1:\n", 1, "not valid Python"),
        ("\n\ndef build(stream, *, a=1): ...", 3, "'a' has no type"),
        ("def build(stream, *, a: Tensor = 1): ...", 1, "cannot be checked"),
        ("A = A\ndef build(stream, *, a: A = 1): ...", 2, "defined by itself"),
        ("def build(stream, *,\n a: int = f(),\n): ...", 2, "not a plain value"),
        ("def build(stream, *, a: int = 'x'): ...", 1, "does not fit its type"),
        ("def build(stream, *, epochs: int = -1): ...", 1, "does not fit its type"),
        ("def build(stream, a: int = 1): ...", 1, "build(stream, *, ...)"),
        ("def build(stream, *, a: int = 1, **more): ...", 1, "build(stream, *, ...)"),
        ("def build(stream, *more): ...", 1, "build(stream, *, ...)"),
        ("def build(): ...", 1, "build(stream, *, ...)"),
        ("a = '\0'\n", None, "not valid Python"),
    ],
)
def test_a_signature_that_says_something_else_is_refused(
    text: str, where: int | None, what: str, tmp_path: Path
) -> None:
    path = tmp_path / "s.py"
    path.write_text(text)
    with pytest.raises(UserErrors) as caught:
        read_signature(path)
    (problem,) = caught.value.errors
    assert what in problem.what
    assert problem.where is not None
    assert problem.where.startswith(f"{path}:{where}" if where else str(path))


def test_every_problem_of_a_signature_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text("def build(stream, *,\n a=1,\n b: Tensor = 1,\n c: int = 'x',\n): ...")
    with pytest.raises(UserErrors) as caught:
        read_signature(path)
    assert [problem.where for problem in caught.value.errors] == [f"{path}:{line}" for line in (2, 3, 4)]


def test_a_setting_without_default_is_required_and_the_files_own_names_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text(
        "from typing import Optional\nEPOCHS = 7\nSize = tuple[int, int]\nMaybe = Optional[Size]\n"
        "def build(stream, *, a: int, b: int = EPOCHS, c: Maybe = None, device: object = None): ..."
    )
    settings = read_signature(path).settings
    assert settings["a"].default is REQUIRED
    assert settings["b"].default == 7
    assert settings["c"].check([1, 2]) == (1, 2)
    assert "device" not in settings


NAMES = "x0 = [int]\n" + "".join(f"x{i} = [{', '.join([f'x{i - 1}'] * 10)}]\n" for i in range(1, 9))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"{NAMES}def build(stream, *, a: x7 = 1): ...", "more than 200 names"),
        (f"{NAMES}def build(stream, *, a: int = x7): ...", "not a plain value"),
        (f"def build(stream, *, a: int = {'-' * 800}1): ...", "recursion"),
        (f"def build(stream, *, a: {' | '.join(['int'] * 900)} = 1): ...", "recursion"),
        (f"def build(stream, *, a: int = {'+'.join(['1'] * 20_000)}): ...", "recursion"),
    ],
)
def test_a_file_that_would_take_forever_is_refused(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "s.py").write_text(text)
    with pytest.raises(UserErrors, match=what):
        read_signature(tmp_path / "s.py")


def test_json_schema_of_a_setting() -> None:
    assert Setting("epochs", "int | None", None, "passes").json_schema() == {
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}],
        "default": None,
        "description": "passes",
    }


def test_argument_docs() -> None:
    arguments = "Args:\n    a: first\n        line two: with a colon\n    b (int): second\n"
    docs = f"Title.\n\n{arguments}\nReturns:\n    c: not an argument\n"
    assert argument_docs(docs) == {"a": "first line two: with a colon", "b": "second"}
    assert argument_docs("Title.") == {}
