"""Small image files for tests of the loaders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def save_image(path: Path, value: int = 0, size: tuple[int, int] = (8, 8)) -> Path:
    """Write an image of one gray value; PNG keeps it exactly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), value, np.uint8)).save(path)
    return path


@pytest.fixture
def save() -> Callable[..., Path]:
    """Write an image of one gray value: ``save(path, value, (width, height))``."""
    return save_image


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Create train/ and test/ with two classes, and a different gray value for every image."""
    root = tmp_path / "pets"
    for i in range(3):
        save_image(root / "train" / "big_dog" / f"{i}.png", 10 + i)
        save_image(root / "train" / "cat" / "deeper" / f"{i}.png", 20 + i)
    save_image(root / "test" / "big_dog" / "0.png", 30)
    save_image(root / "test" / "cat" / "0.png", 40)
    return root
