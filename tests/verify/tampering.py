"""How a run is tampered with in tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clsim.verify import verify


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes a JSON file in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=1) + "\n")


def changed(value: Any) -> Any:
    """Another value that could stand in its place: another digit, truth or word."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value - 0.001 if value > 0.5 else value + 0.001
    return f"{value}x"


def change_at(content: Any, keys: str) -> None:
    """Changes the value at ``sessions.1.accuracy``."""
    *way, last = [int(key) if key.isdecimal() else key for key in keys.split(".")]
    for key in way:
        content = content[key]
    assert content[last] is not None, keys
    content[last] = changed(content[last])


def rewrite_lines(run: Path) -> None:
    """Has ``sessions.jsonl`` say what ``results.json`` says."""
    records = json.loads((run / "results.json").read_text())["sessions"]
    (run / "sessions.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def differing(run: Path) -> set[str]:
    """What a verification finds to differ."""
    return {check.what for check in verify(run).checks if check.verdict == "DIFFERS"}


def verdict_of(run: Path, what: str) -> str:
    """What it says of one thing."""
    (verdict,) = {check.verdict for check in verify(run).checks if check.what == what}
    return verdict
