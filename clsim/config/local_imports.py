"""Local modules that a strategy or metric file imports, which belong to it and are hashed with it.

They are found by parsing import statements, so nothing is executed. Modules of installed packages, Python and clsim
are not among them; those have versions or a hash already.
"""

from __future__ import annotations

import ast
import importlib.machinery
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from clsim.utils.errors import UserError
from clsim.utils.files import sha256_of

_PACKAGE = Path(__file__).resolve().parents[1]
_HASH = "__clsim_sha256__"
"""Attribute of a loaded module with the path and hash of its file."""


def local_imports(path: Path) -> dict[str, Path]:
    """Return the local modules that a file imports, directly or through each other, by dotted name.

    They are beside the file, or elsewhere on Python's path.

    Raises:
        UserError: A module beside the file has the name of another one that Python would find.

    """
    found: dict[str, Path] = {}
    waiting = [(path.resolve(), "")]
    while waiting:
        file, package = waiting.pop()
        for name in _imported(file, package):
            for module, source, is_package in _located(name, path.resolve().parent):
                if module not in found:
                    found[module] = source
                    waiting.append((source, module if is_package else module.rpartition(".")[0]))
    return dict(sorted(found.items()))


def import_hashes(path: Path, prefix: str) -> dict[str, str]:
    """Return the hashes of :func:`local_imports`, by ``{prefix}{dotted name}``."""
    return {f"{prefix}{name}": sha256_of(source) for name, source in local_imports(path).items()}


def make_importable(path: Path) -> None:
    """Put the folder of a file on Python's path, and unload local modules whose files have changed.

    Raises:
        UserError: A module of the same name is loaded from another place, and not by clsim.

    """
    folder, modules = path.resolve().parent, local_imports(path)
    for name, source in modules.items():
        loaded = sys.modules.get(name)
        if loaded is None:
            continue
        known = getattr(loaded, _HASH, None)
        if known is None and _file_of(loaded) != source:
            what = f"imports {name}, and another module of that name is loaded from {_file_of(loaded)}"
            raise UserError(what, where=str(path), fix=f"rename {source}")
        if known is not None and known != (str(source), sha256_of(source)):
            del sys.modules[name]
    if any(folder in source.parents for source in modules.values()) and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()


def note_loaded(path: Path) -> None:
    """Attach the hash of its file to every local module that a file has imported."""
    for name, source in local_imports(path).items():
        loaded = sys.modules.get(name)
        if loaded is not None and _file_of(loaded) == source:
            setattr(loaded, _HASH, (str(source), sha256_of(source)))


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file else None


def _imported(file: Path, package: str) -> tuple[str, ...]:
    """Return the dotted names that the import statements of a file may load, anywhere in the file."""
    with suppress(OSError):  # loading the file reports it
        status = file.stat()
        return _parsed_imports(file, package, status.st_mtime_ns, status.st_size)
    return ()


@lru_cache(maxsize=256)
def _parsed_imports(file: Path, package: str, modified: int, size: int) -> tuple[str, ...]:
    """Parse a file once for each of its versions: a run asks three times."""
    with suppress(OSError, SyntaxError, ValueError, RecursionError):  # loading the file reports it
        return tuple(_import_names(ast.parse(file.read_bytes()), package))
    return ()


def _import_names(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            above = parts[: len(parts) - (node.level - 1)] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield base
            # Each name may be a module.
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _located(name: str, folder: Path) -> Iterator[tuple[str, Path, bool]]:
    """Yield the local files behind a dotted name, parents first: name, file, and whether it is a package."""
    top, *rest = name.split(".")
    spec = _top(top, folder)
    dotted = top
    while spec is not None:
        places = spec.submodule_search_locations
        if spec.origin and spec.origin.endswith(".py"):
            yield dotted, Path(spec.origin).resolve(), places is not None
        if not rest or places is None:
            return
        dotted = f"{dotted}.{rest.pop(0)}"
        spec = importlib.machinery.PathFinder.find_spec(dotted, list(places))


def _top(name: str, folder: Path) -> importlib.machinery.ModuleSpec | None:
    """Return the specification of a local module or package; ``None`` for any other."""
    if not name or name in sys.stdlib_module_names or name == "clsim":
        return None
    beside = importlib.machinery.PathFinder.find_spec(name, [str(folder)])
    if beside is not None and beside.origin is None:  # a folder of that name without Python files
        beside = beside if any(Path(folder, name).glob("*.py")) else None
    elsewhere = _elsewhere(name, folder)
    if beside is None:
        return elsewhere if elsewhere is not None and _is_own(elsewhere) else None
    if elsewhere is not None and _places(elsewhere) != _places(beside):
        here, there = _places(beside)[0], _places(elsewhere)[0]
        what = f"{name} is both beside the file that imports it and at {there}"
        raise UserError(what, where=str(here), fix="rename one of them")
    return beside


def _elsewhere(name: str, folder: Path) -> importlib.machinery.ModuleSpec | None:
    """Return what Python finds under a name without the folder, regardless of loaded modules."""
    path = [entry for entry in sys.path if Path(entry or ".").resolve() != folder]
    for finder in sys.meta_path:
        with suppress(ImportError, AttributeError, ValueError):
            found = finder.find_spec(name, path if finder is importlib.machinery.PathFinder else None)
            if found is not None:
                return found
    return None


def _places(spec: importlib.machinery.ModuleSpec) -> Sequence[str]:
    if spec.origin is not None:
        return [str(Path(spec.origin).resolve())] if spec.origin.endswith(".py") else [spec.origin]
    return sorted(str(Path(place).resolve()) for place in spec.submodule_search_locations or ())


def _is_own(spec: importlib.machinery.ModuleSpec) -> bool:
    """Return whether a module belongs neither to Python nor to an installed package nor to clsim."""
    installed = [Path(sysconfig.get_path(key)).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    for place in map(Path, _places(spec)):
        parts = place.parts
        if "site-packages" in parts or "dist-packages" in parts or _PACKAGE in (place, *place.parents):
            return False
        if any(root in place.parents for root in installed):
            return False
    return bool(_places(spec)) and spec.origin not in ("built-in", "frozen")
