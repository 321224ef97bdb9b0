"""The user's own files that a strategy or a metric imports: part of what it is, and found beside it.

Found by reading import statements, so that nothing is executed to tell them. Files of installed packages, of Python and
of clsim are not among them; those have versions, or a hash of their own.
"""

from __future__ import annotations

import ast
import importlib.machinery
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from clsim.utils.errors import UserError
from clsim.utils.files import sha256_of

_PACKAGE = Path(__file__).resolve().parents[1]
_HASH = "__clsim_sha256__"
"""Name under which a loaded module keeps the hash of the file that it was loaded from."""


def local_imports(path: Path) -> dict[str, Path]:
    """Return the user's own modules that a file imports, and those that they import, by dotted name.

    They lie beside the file, or elsewhere on the path that Python searches.

    Raises:
        UserError: a module beside the file has the name of another one that Python would find.

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
    """Have Python find the modules beside a file, and load anew those whose files are other ones than were loaded.

    Raises:
        UserError: a module of the same name, from another place, is loaded already and was not loaded by clsim.

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
    """Note of the modules that a file has imported which content they were loaded from."""
    for name, source in local_imports(path).items():
        loaded = sys.modules.get(name)
        if loaded is not None and _file_of(loaded) == source:
            setattr(loaded, _HASH, (str(source), sha256_of(source)))


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file else None


def _imported(file: Path, package: str) -> Iterator[str]:
    """Dotted names that the import statements of a file may load, wherever in it they stand."""
    with suppress(OSError, SyntaxError, ValueError, RecursionError):  # loading it says what is wrong
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                parts = package.split(".") if package else []
                above = parts[: len(parts) - (node.level - 1)] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                if base:
                    yield base
                # Each name may be a module of its own.
                yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _located(name: str, folder: Path) -> Iterator[tuple[str, Path, bool]]:
    """The user's own files behind a dotted name: name, file, and whether it is a package; its parents first."""
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
    """The specification of a user's own module or package; ``None`` for anybody else's."""
    if not name or name in sys.stdlib_module_names or name == "clsim":
        return None
    beside = importlib.machinery.PathFinder.find_spec(name, [str(folder)])
    if beside is not None and beside.origin is None:  # a folder of that name without Python's files in it
        beside = beside if any(Path(folder, name).glob("*.py")) else None
    elsewhere = _elsewhere(name, folder)
    if beside is None:
        return elsewhere if elsewhere is not None and _is_own(elsewhere) else None
    if elsewhere is not None and _places(elsewhere) != _places(beside):
        here, there = _places(beside)[0], _places(elsewhere)[0]
        what = f"{name} is both beside the file that imports it and at {there}"
        raise UserError(what, where=str(here), fix="rename one of them: nobody can tell which is meant")
    return beside


def _elsewhere(name: str, folder: Path) -> importlib.machinery.ModuleSpec | None:
    """What Python finds under a name without the folder; modules that are loaded are not asked."""
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
    """Whether a module is neither Python's, nor installed, nor clsim's."""
    installed = [Path(sysconfig.get_path(key)).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    for place in map(Path, _places(spec)):
        parts = place.parts
        if "site-packages" in parts or "dist-packages" in parts or _PACKAGE in (place, *place.parents):
            return False
        if any(root in place.parents for root in installed):
            return False
    return bool(_places(spec)) and spec.origin not in ("built-in", "frozen")
