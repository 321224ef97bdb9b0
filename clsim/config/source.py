"""Python files read as data: what a module assigns, imports and defines, without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from clsim.config.annotations import MODELS, PLAIN

_PACKAGE = Path(__file__).resolve().parents[1]
_DEPTH, _NAMES = 8, 200
"""Most names within names, and most names in all, that one expression may be made of."""


@dataclass(frozen=True)
class Source:
    """A parsed Python file.

    Attributes:
        path: Path of the file.
        tree: Syntax tree of the file.

    """

    path: Path
    tree: ast.Module

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """The expressions that the module assigns to names, the last of each."""
        return {
            target.id: statement.value
            for statement in self.tree.body
            if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None
            for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
            if isinstance(target, ast.Name)
        }

    @cached_property
    def _imports(self) -> dict[str, tuple[str, str]]:
        """The module and the name in it behind each name that the file imports."""
        return {
            alias.asname or alias.name: (statement.module, alias.name)
            for statement in self.tree.body
            if isinstance(statement, ast.ImportFrom) and statement.module and not statement.level
            for alias in statement.names
        }

    def written_out(self, node: ast.expr) -> ast.expr:
        """Return an expression with the names of constants replaced by their values.

        Raises:
            ValueError: A constant is defined by itself, or the expression is made of too many names.

        """
        return self._written_out(node, 0, iter(range(_NAMES)))

    def _written_out(self, node: ast.expr, depth: int, budget: Iterator[int]) -> ast.expr:
        if depth > _DEPTH:
            raise ValueError(f"{ast.unparse(node)} is defined by itself")
        if depth and next(budget, None) is None:  # ten names of ten names of ten names ... are soon a billion
            raise ValueError(f"it is made of more than {_NAMES} names")
        find = self._constant

        class Names(ast.NodeTransformer):
            def visit_Name(self, name: ast.Name) -> ast.expr:
                found = None if name.id in (*PLAIN, *MODELS) else find(name.id)
                return name if found is None else found[0]._written_out(found[1], depth + 1, budget)

        written: ast.expr = Names().visit(ast.parse(ast.unparse(node), mode="eval").body)
        return written

    def _constant(self, name: str) -> tuple[Source, ast.expr] | None:
        """Return a constant of this file, or of one that it imports the constant from."""
        home, name = self._home(name)
        return (home, home.constants[name]) if name in home.constants else None

    def find_class(self, name: str) -> tuple[Source, ast.ClassDef] | None:
        """Return a class of this file, or of one that it imports the class from, with its file."""
        home, name = self._home(name)
        classes = [item for item in home.tree.body if isinstance(item, ast.ClassDef) and item.name == name]
        return (home, classes[-1]) if classes else None

    def _home(self, name: str, depth: int = 0) -> tuple[Source, str]:
        """Return the file that defines a name and its name there; imports of clsim and from beside are followed."""
        if name in self.constants or name not in self._imports or depth > _DEPTH:
            return self, name
        module, original = self._imports[name]
        file = Path(*module.split("."))
        folder = _PACKAGE.parent if file.parts[0] == _PACKAGE.name else self.path.resolve().parent
        for path in (folder / file.with_suffix(".py"), folder / file / "__init__.py"):
            if path.is_file():
                source = _parsed(path) if folder == _PACKAGE.parent else parse(path)
                return source._home(original, depth + 1)
        return self, name


def parse(path: Path) -> Source:
    """Parse a file.

    Raises:
        OSError: The file cannot be read.
        SyntaxError: The file is not Python; other errors of :func:`ast.parse` are raised as well.

    """
    return Source(path, ast.parse(path.read_bytes(), filename=str(path)))


_parsed = cache(parse)  # the package does not change while it runs
