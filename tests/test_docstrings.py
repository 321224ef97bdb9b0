"""Examples in docstrings: they run, and the public functions have one."""

import doctest
import inspect
from importlib import import_module

import pytest
from helpers.import_graph import PACKAGE, module_names

MODULES = [name for name, path in module_names(PACKAGE).items() if ">>>" in path.read_text(encoding="utf-8")]

PUBLIC = ("losses", "metrics", "streams", "plugins")
"""Packages whose public functions and plugins have an example each."""


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    failed, tried = doctest.testmod(import_module(name))
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("package", PUBLIC)
def test_public_functions_have_an_example(package):
    module = import_module(f"clsim.{package}")
    public = {name: getattr(module, name) for name in module.__all__}
    assert [name for name, found in public.items() if wants_example(package, found) and not has_example(found)] == []


def wants_example(package: str, found: object) -> bool:
    """Every function, and every plugin."""
    return inspect.isroutine(found) or (package == "plugins" and inspect.isclass(found))


def has_example(found: object) -> bool:
    members = vars(found).values() if inspect.isclass(found) else ()
    return any(">>>" in (inspect.getdoc(part) or "") for part in (found, *members))
