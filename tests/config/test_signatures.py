"""A strategy's settings, from its file's text alone."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, MinLen

from clsim.config.discovery import list_strategies
from clsim.config.signatures import REQUIRED, Setting, argument_docs, read_signature
from clsim.config.user_code import load_strategy
from clsim.utils.arguments import Whole
from clsim.utils.errors import UserErrors


def test_settings_come_from_the_text_and_nothing_is_executed(scenario: Path) -> None:
    signature = read_signature(Path("strategies/toy.py"))  # importing it would fail
    assert list(signature.settings) == [
        "backbone", "pretrained", "epochs", "base_epochs", "lr", "mode", "sizes", "regularise"
    ]  # fmt: skip
    assert signature.description == "A strategy for tests."
    assert signature.settings["epochs"] == Setting("epochs", Whole, 5, "passes over a session.")
    assert signature.settings["mode"].expected == "replace or accumulate"
    assert signature.settings["mode"].description == "one of two."
    assert signature.settings["sizes"].default == [1, 2]
    assert "a_package_that_is_not_there" not in sys.modules


@pytest.mark.parametrize(
    ("annotation", "value", "checked"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (float | None, None, None),
        (tuple[int, ...], [1, 2], (1, 2)),
        (dict[str, list[float]], {"a": [1]}, {"a": [1.0]}),
        (Annotated[int, Ge(1)] | None, 1, 1),
    ],
)
def test_values_that_fit_are_taken(annotation: Any, value: Any, checked: Any) -> None:
    got = Setting("x", annotation).check(value)
    assert got == checked
    assert type(got) is type(checked)


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (int, "3", "an integer, got the string '3'"),
        (int, True, "an integer, got true"),
        (int, 3.0, "an integer, got 3.0"),
        (int, 3.5, "an integer, got 3.5"),
        (float, "1e-5", "a number, got the string"),
        (float, True, "a number, got true"),
        (float, float("nan"), "a finite number, got nan"),
        (float, float("inf"), "a finite number, got inf"),
        (bool, 1, "true or false, got 1"),
        (str, 5, "a string, got 5"),
        (str, None, "a string, got nothing"),
        (Literal["a", "b"], "c", "a or b, got the string 'c'"),
        (list[int], [1, "2"], "a list .*, got a list of 2"),
        (tuple[int, int], [1], "a list .*, got a list of 1"),
        (Annotated[int, Ge(0)], -1, "at least 0, got -1"),
        (Annotated[int, Ge(0)] | None, -1, "at least 0, got -1"),
        (Annotated[int, Ge(0)] | None, "x", "an integer or null, got the string 'x'"),
        (Annotated[float, Ge(0)], -0.1, "at least 0, got -0.1"),
        (Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)], [2, 0], "at least 1, got a list of 2"),
        (Annotated[tuple[int, ...], MinLen(1)], [], "not empty, got a list of 0"),
    ],
)
def test_values_that_do_not_fit_are_refused_in_words(annotation: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Setting("x", annotation).check(value)


LEAST = {
    "epochs": 0, "batch_size": 1, "lr": 0, "momentum": 0, "weight_decay": 0, "warmup": 0, "cycle": 1,
    "steps": 0, "prompts": 1, "depth": 1, "memory": 0, "cpu_workers": 1, "vertices": 2, "per_class": 1,
    "padding": 0, "share": 0, "smoothing": 0, "sizes": 1, "replay_weight": 0, "alpha": 0,
    "prompt_tokens": 0, "rank": 0, "hidden": 0,
}  # fmt: skip
MOST = {"share": 1, "smoothing": 1, "replay_weight": 1, "momentum": 1}
HEADS = {
    "ncm": ({"scale": 0}, {}),
    "teen": ({"shift": 0, "sharpness": 0, "scale": 0}, {"shift": 1}),
    "fecam": ({"rank": 1, "power": 0, "shift": 0, "sharpness": 0}, {"power": 1, "shift": 1}),
    "ranpac": (
        {"dimensions": 1, "few_shots": 0, "own_weight": 0, "covariance_mix": 0, "sharpness": 0, "draws": 1, "rank": 1},
        {"own_weight": 1, "covariance_mix": 1},
    ),
    "joint": ({"iterations": 1}, {}),  # its decay is above 0
    "tip_adapter": ({"shots": 1, "alpha": 0, "beta": 0, "steps": 0}, {}),
    "bimc": (
        {"text_weight": 0, "shift": 0, "sharpness": 0, "first_opinion": 0, "ridge": 0},
        {"text_weight": 1, "shift": 1, "first_opinion": 1},
    ),
}
"""Bounds of strategies with a head on frozen features, whose settings have the names of their papers."""


@pytest.mark.parametrize("path", list_strategies().values(), ids=lambda path: path.stem)
def test_settings_of_the_shipped_strategies_have_their_bounds(path: Path) -> None:
    for name, setting in read_signature(path).settings.items():
        schema = setting.json_schema()
        bounds = [branch.get("items", branch) for branch in schema.get("anyOf", [schema])]
        for key, table in zip(("minimum", "maximum"), HEADS.get(path.stem, (LEAST, MOST)), strict=True):
            expected = [bound for known, bound in table.items() if f"_{name}".endswith(f"_{known}")]
            assert [branch[key] for branch in bounds if key in branch] == expected, name


GROUPED = '''"""A strategy with option groups."""

from dataclasses import dataclass
from shared import Network as Body, Steps
from clsim.utils.arguments import Count

LR = 0.5


@dataclass(frozen=True)
class Training:
    """Options of training.

    Attributes:
        epochs: Number of passes.
        lr: Learning rate.
    """

    epochs: Count
    lr: float = LR


def build(
    stream, *, training: Training = Training(epochs=3), body: Body = Body(width=LR), steps: Steps = 4, device="cpu"
):
    return training, body, steps, device
'''
SHARED = """from dataclasses import dataclass
from annotated_types import Ge
from typing import Annotated

Steps = Annotated[int, Ge(2)]
DEPTH = (1, 2)


@dataclass(frozen=True)
class Network:
    width: float
    depth: tuple[int, ...] = DEPTH
"""


def test_each_field_of_an_option_group_is_a_setting(tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text(SHARED)
    (tmp_path / "grouped.py").write_text(GROUPED)
    signature = read_signature(tmp_path / "grouped.py")
    defaults = {"epochs": 3, "lr": 0.5, "width": 0.5, "depth": (1, 2), "steps": 4}
    assert signature.defaults() == defaults
    assert signature.groups == {"training": ("epochs", "lr"), "body": ("width", "depth")}
    assert signature.settings["lr"].description == "Learning rate."
    assert signature.settings["epochs"].json_schema()["minimum"] == 1
    assert signature.settings["steps"].json_schema()["minimum"] == 2
    stream = SimpleNamespace(kinds=("fscil",))
    training, body, steps, device = load_strategy(tmp_path / "grouped.py")(stream, lr=2, depth=[5], device="cuda")
    assert (training.epochs, training.lr, body.width, body.depth, steps, device) == (3, 2.0, 0.5, (5,), 4, "cuda")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("Training = Training(epochs=3)", "Training", "needs an instance"),
        ("Training(epochs=3)", "Training(3)", "needs an instance"),
        ("Training(epochs=3)", "make()", "needs an instance"),
        ("@dataclass(frozen=True)\n", "", "needs an instance"),
        ("Training(epochs=3)", "Training(epoch=3)", "no option 'epoch'"),
        ("Training(epochs=3)", "Training(epochs=0)", "does not fit its type"),
        ("lr: float = LR", "width: float = LR", "'width' appears twice"),
    ],
)
def test_an_option_group_that_cannot_be_read_is_refused(tmp_path: Path, old: str, new: str, what: str) -> None:
    (tmp_path / "shared.py").write_text(SHARED)
    assert old in GROUPED
    (tmp_path / "grouped.py").write_text(GROUPED.replace(old, new))
    with pytest.raises(UserErrors) as caught:
        read_signature(tmp_path / "grouped.py")
    assert [problem.what for problem in caught.value.errors if what in problem.what]


@pytest.mark.parametrize(
    ("text", "requires"),
    [
        ("", None),
        ("REQUIRES = ()", ()),
        ("REQUIRES = ['upgrade']", ("upgrade",)),
        ("A = 'upgrade'\nREQUIRES = (A, 'replacement')", ("upgrade", "replacement")),
    ],
)
def test_a_file_declares_the_incoming_models_that_it_needs(
    tmp_path: Path, text: str, requires: tuple[str, ...] | None
) -> None:
    (tmp_path / "s.py").write_text(f"{text}\ndef build(stream): ...")
    assert read_signature(tmp_path / "s.py").requires == requires


@pytest.mark.parametrize("text", ["'upgrade'", "('fscil',)", "(3,)", "None", "tuple(names)", "({},)"])
def test_other_requirements_are_refused_with_their_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.py").write_text(f"\nREQUIRES = {text}\ndef build(stream): ...")
    with pytest.raises(UserErrors) as caught:
        read_signature(tmp_path / "s.py")
    (problem,) = caught.value.errors
    assert problem.where == f"{tmp_path / 's.py'}:2"
    assert "REQUIRES" in problem.what


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
        ("def build(stream, *, a: Annotated[int, Ge(0)] = -1): ...", 1, "does not fit its type"),
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
    assert Setting("epochs", Annotated[int, Ge(0)] | None, None, "passes").json_schema() == {
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}],
        "default": None,
        "description": "passes",
    }


def test_argument_docs() -> None:
    arguments = "Args:\n    a: first\n        line two: with a colon\n    b (int): second\n"
    docs = f"Title.\n\n{arguments}\nReturns:\n    c: not an argument\n"
    assert argument_docs(docs) == {"a": "first line two: with a colon", "b": "second"}
    assert argument_docs("Title.") == {}
    assert argument_docs("Title.\n\nArgs:\n    a without a colon\n") == {}


@pytest.mark.parametrize("annotation", ["FrozenBackbone", "FrozenBackbone | str", "models.FrozenBackbone"])
def test_a_setting_that_takes_a_loaded_model_is_named_by_a_string(tmp_path: Path, annotation: str) -> None:
    path = tmp_path / "made.py"
    path.write_text(
        "from clsim import models\nfrom clsim.models import FrozenBackbone\n\n\n"
        f'def build(stream, *, backbone: {annotation} = "tf_efficientnet_lite0", device: str = "cpu"):\n    ...\n'
    )
    signature = read_signature(path)
    assert signature.models == ("backbone",)
    assert signature.settings["backbone"].check("lite2") == "lite2"
    assert signature.settings["backbone"].default == "tf_efficientnet_lite0"
    with pytest.raises(ValueError, match="expected"):
        signature.settings["backbone"].check(3)
