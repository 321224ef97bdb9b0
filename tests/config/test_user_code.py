"""Strategies loaded from their files."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.errors import refused
from helpers.workspace import make_workspace

from clsim.config.user_code import load_strategy
from clsim.utils.errors import UserError


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_workspace(tmp_path)
    return tmp_path


def test_a_strategy_is_executed_under_a_name_of_its_own(workspace: Path) -> None:
    Path("a").mkdir()
    Path("b").mkdir()
    for folder in "ab":
        Path(folder, "same.py").write_text(f"WHO = {folder!r}\ndef build(stream, *, x: int = 1): return WHO")
    one, other = load_strategy(Path("a/same.py")), load_strategy(Path("b/same.py"))
    stream = SimpleNamespace(kinds=("incremental",))
    assert (one(stream), other(stream)) == ("a", "b")
    assert one.__module__ != other.__module__
    assert sys.modules[one.__module__].build is one.__wrapped__


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import a_package_that_is_not_there", "ModuleNotFoundError: No module named 'a_package_that_is_not_there'"),
        ("x = 1\n1 / 0", "ZeroDivisionError"),
        ("x = 1\ny = 2\ndef f(:", "SyntaxError"),
        ("x = 1", "has no function build()"),
        ("build = 3", "has no function build()"),
    ],
)
def test_a_strategy_that_cannot_be_loaded_is_the_users_to_mend(text: str, what: str, workspace: Path) -> None:
    path = Path("strategies/broken.py")
    path.write_text(text)
    before = set(sys.modules)
    with pytest.raises(UserError) as caught:
        load_strategy(path)
    assert what in caught.value.what
    assert (caught.value.where or "").startswith("strategies/broken.py")
    if line := text.count("\n"):
        assert caught.value.where == f"strategies/broken.py:{line + 1}"
        assert not {name for name in sys.modules if name.startswith("clsim_strategy_broken")} - before


def test_a_strategy_may_end_the_interpreter_only_by_hand(workspace: Path) -> None:
    Path("strategies/broken.py").write_text("raise SystemExit(3)")
    with refused(where="broken.py", names=("SystemExit",)):
        load_strategy(Path("strategies/broken.py"))
