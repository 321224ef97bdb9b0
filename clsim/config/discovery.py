"""Discovery of scenarios, strategies, sweeps and metrics by name or path. Imports no torch.

A name is searched in ``./scenarios``, ``./strategies`` or ``./metrics``, then among the files shipped with clsim. Those
are beside the package in a checkout and inside it in an installed wheel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from clsim.utils.errors import UserError
from clsim.utils.files import from_home
from clsim.utils.text import suggestion

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
    """Return the folder of the files shipped with clsim."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent
    return checkout / kind if (checkout / "pyproject.toml").is_file() else package / "_builtin" / kind


def find_scenario(name_or_path: str | Path) -> Path:
    """Return the file of a scenario.

    Raises:
        UserError: There is none of that name. The fix suggests the nearest.
    """
    return _find("scenarios", str(name_or_path))


def find_strategy(name_or_path: str | Path) -> Path:
    """Return the file of a strategy.

    Raises:
        UserError: There is none of that name. The fix suggests the nearest.
    """
    return _find("strategies", str(name_or_path))


def find_metric(name_or_path: str | Path) -> Path:
    """Return the file of a custom metric.

    Raises:
        UserError: There is none of that name. The fix suggests the nearest.
    """
    return _find("metrics", str(name_or_path))


def find_sweep(name_or_path: str | Path) -> Path:
    """Return the file of a sweep. Names refer to ``scenarios/sweeps``.

    Raises:
        UserError: There is none of that name. The fix suggests the nearest.
    """
    return _find("scenarios/sweeps", str(name_or_path))


def list_scenarios() -> dict[str, Path]:
    """Return the files of all available scenarios by name."""
    return _list("scenarios")


def list_strategies() -> dict[str, Path]:
    """Return the files of all available strategies by name."""
    return _list("strategies")


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
        near = f"'{given.stem}' is the name of one shipped with clsim" if given.stem in known else None
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
