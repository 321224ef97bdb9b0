"""The layout of the package: layers, cycles of imports, and a docstring for each package."""

import ast

import pytest
from helpers.import_graph import PACKAGE, cycles, file_graph, room_graph
from importlinter.cli import lint_imports

ENTRIES = 20
"""The most modules and packages directly in ``clsim/``."""

PACKAGES = sorted(path.parent.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("__init__.py"))


def test_imports_point_down_the_layers():
    assert lint_imports(config_filename=str(PACKAGE.parent / "pyproject.toml"), no_cache=True, no_logo=True) == 0


def test_no_cycle_of_files_or_rooms():
    files = file_graph(PACKAGE)
    assert cycles(files) == []
    assert len(room_graph(files)) <= ENTRIES


def test_a_cycle_is_found(tmp_path):
    for name, text in {
        "__init__": "",
        "a": "from m import b",
        "b": "def f():\n    import m.a",
        "c": "import m.b",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    package = tmp_path.rename(tmp_path.with_name("m"))
    assert cycles(file_graph(package)) == [["m.a", "m.b"]]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_says_what_it_holds_and_what_it_may_import(name):
    text = (PACKAGE.parent / name / "__init__.py").read_text(encoding="utf-8")
    summary, _, more = (ast.get_docstring(ast.parse(text)) or "").partition("\n")
    assert summary.endswith(".")
    assert name.count("/") != 1 or "May import" in more
