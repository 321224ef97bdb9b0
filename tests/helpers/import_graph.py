"""Imports among the files and packages of clsim; run as a script, it prints their counts.

    python tests/helpers/import_graph.py [FOLDER]

An import counts wherever it stands: at the top of a file, in a function, or for type checkers only.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Container, Mapping
from pathlib import Path

Graph = dict[str, set[str]]
"""The modules that each module imports, by dotted name."""

PACKAGE = Path(__file__).resolve().parents[2] / "clsim"


def module_names(package: Path) -> dict[str, Path]:
    """Return the file of each module of a package, by dotted name."""
    return {_name(path, package.parent): path for path in sorted(package.rglob("*.py"))}


def file_graph(package: Path) -> Graph:
    """Return the imports among the modules of a package."""
    files = module_names(package)
    return {module: _imports(path, files) - {module} for module, path in files.items()}


def room_graph(files: Graph) -> Graph:
    """Return the imports among rooms, which are the modules and packages directly below the root package."""
    rooms: Graph = {}
    for module, imported in files.items():
        if "." in module:
            rooms.setdefault(_room(module), set()).update(_room(name) for name in imported if "." in name)
    return {room: imported - {room} for room, imported in rooms.items()}


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or through others.

    Examples:
        >>> cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})
        [['a', 'b', 'c']]

    """
    reached = {module: _reach(graph, module) for module in graph}
    groups = {frozenset(n for n in reached[module] if module in reached[n]) for module in graph}
    return sorted(sorted(group) for group in groups if group)


def _name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path, known: Container[str]) -> set[str]:
    """Return the known modules that a file imports; ``from package import module`` counts as the module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(name if name in known else node.module for name in names)
    return {name for name in found if name in known}


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _reach(graph: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        module = ahead.pop()
        if module not in reached:
            reached.add(module)
            ahead += graph[module]
    return reached


def main() -> None:
    files = file_graph(Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGE)
    rooms = room_graph(files)
    for name, graph in {"files": files, "rooms": rooms}.items():
        found = cycles(graph)
        print(f"{len(graph)} {name}, {sum(map(len, graph.values()))} imports, {len(found)} cycles")
        for group in found:
            print("  " + ", ".join(group))


if __name__ == "__main__":
    main()
