"""``manifest.json``: what a run was made of and computed on."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from clsim.results.machine import installation
from clsim.utils.files import atomic, sha256_of

NAME = "manifest.json"
RESULT_FILES = (
    "scenario.yaml",
    "results.json",
    "sessions.jsonl",
    "confusion.json",
    "features/*.safetensors",
    "checkpoints/last.safetensors",
    "draws/*/results.json",
    "draws/*/manifest.json",
)
"""Files of a run with a hash in its manifest."""


def manifest(*, seed: int, device: str, hashes: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of ``manifest.json``.

    Args:
        seed: Seed of the run.
        device: Device of the model.
        hashes: SHA-256 of data, weights and code, by name.
        settings: Further facts of the run.

    """
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv,
        "seed": seed,
        "device": device,
        **installation(),
        "hashes": dict(hashes),
        **settings,
    }


def seal(directory: Path) -> None:
    """Add the hashes of all files of results to the manifest of a complete run."""
    path = directory / NAME
    content = sealed(json.loads(path.read_text(encoding="utf-8")), directory)
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def sealed(content: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Return a manifest with the hashes of all files of results."""
    return {**content, "files": {name: sha256_of(file) for name, file in sorted(result_files(directory).items())}}


def result_files(directory: Path) -> dict[str, Path]:
    """Return the files of results in a run directory, by their path in it."""
    found = [file for pattern in RESULT_FILES for file in directory.glob(pattern) if file.is_file()]
    return {file.relative_to(directory).as_posix(): file for file in found if not file.name.startswith(".")}
