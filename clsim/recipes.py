"""Finds scenarios, strategies and metrics by name or path: the user's desk first, then the shipped one.

A name is looked for in ``./scenarios``, ``./strategies`` or ``./metrics`` and then among the files that came with
clsim, which lie beside the package in a checkout and inside it in an installed wheel. Imports no torch.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, Literal

from clsim.errors import UserError
from clsim.files import from_home
from clsim.local_imports import make_importable, note_loaded
from clsim.plain import plain
from clsim.words import suggestion

Kind = Literal["scenarios", "strategies", "scenarios/sweeps", "metrics"]
_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "scenarios": (".yaml", ".yml"),
    "strategies": (".py",),
    "scenarios/sweeps": (".yaml", ".yml"),
    "metrics": (".py",),
}
_ONE: dict[Kind, str] = {
    "scenarios": "scenario",
    "strategies": "strategy",
    "scenarios/sweeps": "sweep",
    "metrics": "metric",
}


def shipped(kind: Kind) -> Path:
    """The folder of the files that came with clsim."""
    package = Path(__file__).resolve().parent
    checkout = package.parent
    return checkout / kind if (checkout / "pyproject.toml").is_file() else package / "_desk" / kind


def find_scenario(name_or_path: str | Path) -> Path:
    """The file of a scenario.

    Raises:
        UserError: there is none of that name; names the nearest.
    """
    return _find("scenarios", str(name_or_path))


def find_strategy(name_or_path: str | Path) -> Path:
    """The file of a strategy.

    Raises:
        UserError: there is none of that name; names the nearest.
    """
    return _find("strategies", str(name_or_path))


def find_metric(name_or_path: str | Path) -> Path:
    """The file of a metric of one's own; clsim's are always measured, and have no files to name.

    Raises:
        UserError: there is none of that name; names the nearest.
    """
    return _find("metrics", str(name_or_path))


def find_sweep(name_or_path: str | Path) -> Path:
    """The file of a sweep; those with a name lie in ``scenarios/sweeps``.

    Raises:
        UserError: there is none of that name; names the nearest.
    """
    return _find("scenarios/sweeps", str(name_or_path))


def list_scenarios() -> dict[str, Path]:
    """Every scenario that has a name here, by name."""
    return _list("scenarios")


def list_strategies() -> dict[str, Path]:
    """Every strategy that has a name here, by name."""
    return _list("strategies")


def load_strategy(path: Path) -> Callable[..., Any]:
    """Return the function ``build`` of a strategy file, which is executed; its settings are checked as a scenario's.

    Raises:
        UserError: executing it fails, or it has no ``build``; the cause is chained.
    """
    build, place = _load(path, "strategy"), path.absolute()

    @wraps(build)
    def checked(stream: Any, **settings: Any) -> Any:
        from clsim.arguments import refuse
        from clsim.config.kinds import kinds_of
        from clsim.config.signatures import RESERVED, read_signature
        from clsim.config.strategy_checks import check_runs_on, check_settings

        signature = read_signature(place)
        given = {key: _written(value) for key, value in settings.items() if key not in RESERVED}
        found, resolved = check_settings(signature, path.stem, given)
        kinds = kinds_of(stream)
        if not set(kinds) & set(signature.streams):
            found += check_runs_on((), path.stem, signature, kinds[0])
        refuse(found)
        reserved = {key: value for key, value in settings.items() if key in RESERVED}
        return build(stream, **resolved, **reserved)

    return checked


def _written(value: Any) -> Any:
    """What a scenario would say for a value of Python."""
    return os.fspath(value) if isinstance(value, os.PathLike) else plain(value)


def load_metric(path: Path) -> Callable[..., Any]:
    """The function ``build`` of a metric's file; see :func:`load_strategy`."""
    return _load(path, "metric")


def _load(path: Path, kind: str) -> Callable[..., Any]:
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    module_name = f"clsim_{kind}_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UserError("is not a Python file", where=str(path))
    module = importlib.util.module_from_spec(spec)
    make_importable(path)
    sys.modules[module_name] = module  # pickle and dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if Path(frame.filename) == path.resolve()]
        if isinstance(error, SyntaxError):
            lines = [error.lineno]
        where = f"{path}:{lines[-1]}" if lines else str(path)
        fix = "put the module beside the file, or install it" if isinstance(error, ModuleNotFoundError) else None
        raise UserError(f"cannot be loaded: {type(error).__name__}: {error}", where=where, fix=fix) from error
    note_loaded(path)
    build = getattr(module, "build", None)
    if not callable(build):
        raise UserError("has no function build()", where=str(path))
    return build  # type: ignore[no-any-return]


def _folders(kind: Kind) -> Iterator[Path]:
    yield Path(kind)
    if Path(kind).resolve() != shipped(kind):
        yield shipped(kind)


def _find(kind: Kind, text: str) -> Path:
    if not text or not text.isprintable():
        raise UserError(f"{text!r} is not the name of a {_ONE[kind]}")
    given = from_home(text, text)
    known = _list(kind)
    if given.suffix in _SUFFIXES[kind] or len(given.parts) > 1:
        if _is(Path.is_file, given):
            return given
        what = "is a directory" if _is(Path.is_dir, given) else f"there is no such {_ONE[kind]} file"
        near = f"'{given.stem}' is the name of one that came with clsim" if given.stem in known else None
        raise UserError(what, where=text, fix=near or suggestion(given.stem, known))
    if text in known:
        return known[text]
    raise UserError(f"there is no {_ONE[kind]} '{text}'", fix=suggestion(text, known))


def _list(kind: Kind) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in _folders(kind):
        for suffix in _SUFFIXES[kind]:
            for path in sorted(folder.glob(f"*{suffix}")):
                if not path.name.startswith(("_", ".")) and _is(Path.is_file, path):
                    found.setdefault(path.stem, path)
    return found


def _is(test: Callable[[Path], bool], path: Path) -> bool:
    try:
        return test(path)
    except OSError:  # a name too long, a folder that may not be entered
        return False
