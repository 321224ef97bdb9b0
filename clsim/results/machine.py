"""Facts of the machine and the installation for ``manifest.json``."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "torchvision", "avalanche-lib", "open_clip_torch", "timm", "numpy", "safetensors")


def installation() -> dict[str, Any]:
    """Return the versions of Python, clsim and the packages that compute."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "clsim": metadata.version("clsim"),
        "packages": {name: _version(name) for name in PACKAGES},
        "git": git_state(),
    }


def git_state() -> dict[str, Any] | None:
    """Return the commit of clsim's checkout and whether it is altered; ``None`` outside a checkout or without git."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603

    try:
        return {"commit": git("rev-parse", "HEAD"), "altered": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None


def determinism() -> dict[str, Any]:
    """Return torch's settings that decide whether and how its results repeat."""
    import torch

    def setting(read: Callable[[], Any]) -> Any:
        try:
            return read()
        except RuntimeError:  # torch has two interfaces for TF32 and refuses to mix them
            return None

    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_tf32": setting(lambda: torch.backends.cudnn.allow_tf32),
        "matmul_tf32": setting(lambda: torch.backends.cuda.matmul.allow_tf32),
        "float32_matmul_precision": setting(torch.get_float32_matmul_precision),
        "num_threads": torch.get_num_threads(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
