"""The workspace of the tests is the current directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.workspace import make_workspace


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_workspace(tmp_path).relative_to(tmp_path)
