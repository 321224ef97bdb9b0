"""Loading of strategies and metrics from their files, which executes these. The module imports no torch itself."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from clsim.config.checks.strategy import check_runs_on, check_settings
from clsim.config.local_imports import make_importable, note_loaded
from clsim.config.signatures import RESERVED, Signature, read_signature
from clsim.streams.protocols import StreamLike
from clsim.utils.arguments import refuse
from clsim.utils.errors import UserError
from clsim.utils.plain import plain
from clsim.utils.renamed import with_new_names


def load_strategy(path: Path) -> Callable[..., Any]:
    """Execute a strategy file and return its function ``build``, which checks its settings as a scenario's.

    The function takes all settings flat, those of option groups as well.

    Args:
        path: Path of the file.

    Raises:
        UserError: The file fails, or has no ``build``; the cause is chained.

    """
    build, place = _load(path, "strategy"), path.absolute()

    @wraps(build)
    def checked(stream: StreamLike, **settings: Any) -> Any:
        signature = read_signature(place)
        named = with_new_names(settings, [*signature.settings, *RESERVED], path.stem)
        given = {key: _written(value) for key, value in named.items() if key not in RESERVED}
        loaded = {key: named[key] for key in signature.models if not isinstance(named.get(key, ""), str)}
        given |= {key: type(model).__name__ for key, model in loaded.items()}  # a scenario holds a name there
        found, resolved = check_settings(signature, path.stem, given)
        if not set(stream.kinds) & set(signature.streams):
            found += check_runs_on((), path.stem, signature, stream.kinds[0])
        refuse(found)
        reserved = {key: value for key, value in named.items() if key in RESERVED}
        return build(stream, **_grouped(build, signature, {**resolved, **loaded}), **reserved)

    return checked


def _grouped(build: Callable[..., Any], signature: Signature, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return flat settings as arguments of ``build``, where those of a group are one object."""
    arguments, parameters = dict(settings), inspect.signature(build).parameters
    for name, keys in signature.groups.items():
        arguments[name] = replace(parameters[name].default, **{key: arguments.pop(key) for key in keys})
    return arguments


def _written(value: Any) -> Any:
    """Return a value of Python as a scenario would hold it."""
    return os.fspath(value) if isinstance(value, os.PathLike) else plain(value)


def load_metric(path: Path) -> Callable[..., Any]:
    """Execute a metric's file and return its function ``build``; see :func:`load_strategy`."""
    return _load(path, "metric")


def _load(path: Path, kind: str) -> Callable[..., Any]:
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    module_name = f"clsim_{kind}_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UserError("is not a Python file", where=str(path))
    module = importlib.util.module_from_spec(spec)
    make_importable(path)
    sys.modules[module_name] = module  # pickle and dataclasses look up their module there
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
