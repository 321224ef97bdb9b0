"""Fixtures and settings of all tests: workers, real data, no network, deterministic properties."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

# Read on import: example databases would litter the directories in which tests run.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "hypothesis"))

import pytest
from hypothesis import HealthCheck, settings

WORKERS = 4
"""The most workers, on any number of cores: each takes about two gigabytes of memory."""

FEATURES = tempfile.TemporaryDirectory(prefix="clsim-features-")
# Also for the processes that tests start; the user's own features stay as they are.
os.environ["CLSIM_FEATURES"] = FEATURES.name
os.environ.pop("CLSIM_FEATURES_LIMIT", None)

# Before torch is imported: workers share the cores, and threads that spin while waiting would block them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile(
    "deterministic",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("deterministic")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return a worker for each core; none for named files, which would only wait for workers to start."""
    from clsim.sweep.slots import cores_here

    named = all(".py" in argument for argument in config.args)
    return 0 if named else min(WORKERS, cores_here())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first: workers take file after file, and no slow one should start last."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``real_data("cifar100", ...)`` unless all its data sets are there."""
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
    """Make every host unreachable; tests of downloads override this."""
    from clsim.utils import download

    monkeypatch.setattr(download, "reachable", lambda url: False)


@pytest.fixture
def data_root() -> Path:
    """Folder of the real data sets, for tests marked ``real_data``."""
    return Path(os.environ["CLSIM_DATA"])


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Function that runs a command line and returns exit code, standard output and standard error."""
    from helpers.world import call

    return partial(call, monkeypatch, capsys)
