"""The public names: complete in ``dir``, one import deep, and offered by an editor."""

import ast
import re
import subprocess
import sys
import zipfile
from importlib import import_module
from importlib.metadata import version

import jedi
import pytest
from hatchling.builders.wheel import WheelBuilder
from helpers.documents import DOCUMENTS, ROOT, blocks

import clsim

PACKAGES = ["data", "losses", "metrics", "models", "plugins", "streams", "training"]
"""Packages whose names users import."""


def test_dir_is_the_public_names():
    assert clsim.__version__ == version("clsim")
    assert dir(clsim) == sorted(clsim.__all__)
    assert {"__version__", "compare", "load_scenario", "run", *PACKAGES} <= set(dir(clsim))


def test_dir_does_not_change_with_what_is_imported():
    code = "import clsim, clsim.api, clsim.utils.errors, clsim.results.reader; print(*dir(clsim))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == dir(clsim)


@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_every_public_name_is_there(package):
    module = import_module(f"clsim.{package}".rstrip("."))
    assert {name for name in module.__all__ if not hasattr(module, name)} == set()
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_an_editor_offers_every_public_name(package):
    module = f"clsim.{package}".rstrip(".")
    code = f"import {module}\n{module}."
    offered = {completion.name for completion in jedi.Script(code, project=jedi.Project(ROOT)).complete()}
    assert set(import_module(module).__all__) - offered == set()


def test_examples_import_from_one_level_below_clsim():
    code = [block.text for name in DOCUMENTS for block in blocks(name, "python")]
    nodes = [node for text in code for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    modules = [node.module for node in nodes if node.module.startswith("clsim")]
    assert modules
    assert [module for module in modules if module.removeprefix("clsim.") not in PACKAGES] == []


def test_the_wheel_holds_types_scenarios_and_strategies(tmp_path):
    """An installed clsim lists the same scenarios and strategies as a checkout."""
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(path).namelist())
    assert "clsim/py.typed" in names
    for folder, kind in {"scenarios": "yaml", "strategies": "py"}.items():
        assert {f"clsim/_builtin/{folder}/{found.name}" for found in (ROOT / folder).glob(f"*.{kind}")} <= names
    assert {name for name in names if not re.match(r"clsim/|clsim-[\d.]+\.dist-info/", name)} == set()
