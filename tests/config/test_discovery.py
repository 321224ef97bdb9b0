"""Scenarios and strategies by name or path."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.workspace import make_workspace

from clsim.config import discovery
from clsim.utils.errors import UserError


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_workspace(tmp_path)
    return tmp_path


def test_names_are_found_on_the_desk_first_and_then_among_the_shipped(workspace: Path) -> None:
    assert discovery.find_scenario("test") == Path("scenarios/test.yaml")
    assert discovery.find_scenario("cifar_fscil") == discovery.shipped("scenarios") / "cifar_fscil.yaml"
    Path("scenarios/cifar_fscil.yaml").touch()
    assert discovery.find_scenario("cifar_fscil") == Path("scenarios/cifar_fscil.yaml")
    assert discovery.find_strategy("toy") == Path("strategies/toy.py")
    assert {"toy", "floor", "cpe_clip"} <= discovery.list_strategies().keys()


def test_a_path_is_taken_as_given(workspace: Path) -> None:
    Path("elsewhere").mkdir()
    Path("elsewhere/mine.yml").touch()
    assert discovery.find_scenario("elsewhere/mine.yml") == Path("elsewhere/mine.yml")
    assert discovery.find_scenario(workspace / "scenarios" / "test.yaml") == workspace / "scenarios" / "test.yaml"
    Path("test").mkdir()  # a folder or a file of a scenario's name is not that scenario
    Path("toy").touch()
    assert discovery.find_scenario("test") == Path("scenarios/test.yaml")
    assert discovery.find_strategy("toy") == Path("strategies/toy.py")


def test_what_is_not_a_recipe_is_not_listed(workspace: Path) -> None:
    for name in ("_private.py", ".hidden.py", "note.txt"):
        (workspace / "strategies" / name).touch()
    (workspace / "strategies" / "folder.py").mkdir()
    assert not {"_private", ".hidden", "note", "folder"} & discovery.list_strategies().keys()


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("tset", "there is no scenario 'tset'", "did you mean 'test'?"),
        ("scenarios/tset.yaml", "there is no such scenario file", "did you mean 'test'?"),
        ("elsewhere/test.yaml", "there is no such scenario file", "'test' is the name of one"),
        ("scenarios/", "there is no scenario 'scenarios/'", "allowed:"),
        (".", "there is no scenario '.'", "allowed:"),
        ("../" + "x" * 5000 + ".yaml", "there is no such scenario file", "allowed:"),
        ("", "is not the name of a scenario", ""),
        ("a\0b", "is not the name of a scenario", ""),
        ("a\nb", "is not the name of a scenario", ""),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(text: str, what: str, fix: str, workspace: Path) -> None:
    with pytest.raises(UserError) as caught:
        discovery.find_scenario(text)
    assert what in caught.value.what
    assert fix in (caught.value.fix or "")


def test_a_directory_is_refused(workspace: Path) -> None:
    Path("x.yaml").mkdir()
    with pytest.raises(UserError, match="is a directory"):
        discovery.find_scenario("x.yaml")


def test_an_installed_wheel_has_its_desk_inside(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = workspace / "site-packages" / "clsim"
    package.mkdir(parents=True)
    monkeypatch.setattr(discovery, "__file__", str(package / "config" / "discovery.py"))
    assert discovery.shipped("scenarios") == package / "_builtin" / "scenarios"
    assert set(discovery.list_strategies()) == {"toy", "floor"}
