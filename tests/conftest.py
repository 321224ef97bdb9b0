"""Tests that need real data run where $CLSIM_DATA has it, and are skipped elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

MOST = 4
"""Workers, on however many cores: each takes about two gigabytes of memory, and starts processes of its own."""

# Before torch is imported: the workers of xdist share the cores, and threads that spin while waiting would block them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker for each core; none for files or tests that are named, which would only wait for workers to start."""
    from clsim.sweep.slots import cores_here

    named = all(".py" in argument for argument in config.args)
    return 0 if named else min(MOST, cores_here())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers take file after file: those that take long first, so that none is left when all others are done."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``real_data("cifar100", ...)`` unless every data set it names is there."""
    marker = item.get_closest_marker("real_data")
    if marker is None:
        return
    if "CLSIM_DATA" not in os.environ:
        pytest.skip("CLSIM_DATA is not set")
    from clsim.data.catalog import ENTRIES

    missing = [name for name in marker.args if not ENTRIES[name].is_here(Path(os.environ["CLSIM_DATA"]))]
    if missing:
        pytest.skip(f"CLSIM_DATA does not hold {', '.join(missing)}")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test fetches anything, wherever it runs; those of the network itself override this."""
    monkeypatch.setattr("clsim.utils.download.reachable", lambda url: False)


@pytest.fixture
def data_root() -> Path:
    """The real data; only for tests marked ``real_data``."""
    return Path(os.environ["CLSIM_DATA"])


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line; gives exit code, standard output and standard error."""
    from helpers.world import call

    return partial(call, monkeypatch, capsys)
