"""What a strategy file imports of the user's own belongs to it: it is found beside it, hashed, and told apart."""

import json
import subprocess
import sys
from inspect import unwrap

import pytest

import clsim
from clsim.config import load_scenario
from clsim.config.discovery import list_strategies
from clsim.config.local_imports import local_imports
from clsim.config.user_code import load_strategy
from clsim.report.compare import compare
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.files import sha256_of
from clsim.verify import verify

STRATEGY = '''\
"""A strategy with helpers of its own."""

from functools import partial

from torch.optim import SGD

import clsim
from clsim.models import LinearClassifier
from clsim.models.backbones import make_backbone
from clsim.plugins import ClassScope
from my_rates import LR


def build(stream, *, epochs: int = 1, device: str = "cpu"):
    """Compose it.

    Args:
        stream: Stream.
        epochs: Passes.
        device: Device.

    """
    model = LinearClassifier(make_backbone("resnet8x2"), len(stream.class_names))
    plugins = [ClassScope("seen", "seen")]
    optimizer = partial(SGD, lr=LR)
    return clsim.Strategy(
        model=model, optimizer=optimizer, train_epochs=epochs, device=device, plugins=plugins
    )
'''
SCENARIO = """\
stream: {kind: fscil, dataset: shapes, base_classes: 3, ways: 1, shots: 2, sessions: 1, splits: {draw: 1}}
strategy: ./mine.py
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    (tmp_path / "s.yaml").write_text(SCENARIO)
    (tmp_path / "mine.py").write_text(STRATEGY)
    (tmp_path / "my_rates.py").write_text("LR = 0.05\n")
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]


def test_shipped_strategies_import_nothing_of_their_own():
    assert {name: local_imports(path) for name, path in list_strategies().items() if local_imports(path)} == {}


def test_every_module_on_the_way_is_found_and_none_that_is_installed(tmp_path):
    (tmp_path / "my_lab" / "parts").mkdir(parents=True)
    files = {
        "mine.py": "import torch, json\nfrom my_lab import steps\nif False:\n    import my_late.thing\n",
        "my_late/thing.py": "",
        "my_lab/__init__.py": "from .shared import *\n",
        "my_lab/shared.py": "import numpy\n",
        "my_lab/steps.py": "from .parts import head\nfrom . import unused\n",
        "my_lab/parts/__init__.py": "",
        "my_lab/parts/head.py": "from ..shared import x\n",
        "my_lab/unused.py": "this is no Python\n",
        "my_lab/other.py": "",
        "json.py": "",  # Python's own is meant
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = local_imports(tmp_path / "mine.py")
    names = ["my_lab", "my_lab.parts", "my_lab.parts.head", "my_lab.shared", "my_lab.steps", "my_lab.unused"]
    assert list(found) == [*names, "my_late.thing"]
    assert found["my_lab.parts.head"] == tmp_path / "my_lab" / "parts" / "head.py"
    assert "my_lab" not in sys.modules


def test_a_name_that_two_modules_have_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text("import timm\n")
    assert local_imports(tmp_path / "mine.py") == {}
    (tmp_path / "timm.py").write_text("")
    with pytest.raises(UserError, match="timm is both beside the file that imports it and at"):
        local_imports(tmp_path / "mine.py")


def test_a_module_beside_the_strategy_is_found_without_a_path(workspace):
    assert unwrap(load_strategy(workspace / "mine.py")).__globals__["LR"] == 0.05


def test_a_changed_module_is_loaded_again_and_another_folder_has_its_own(workspace):
    load_strategy(workspace / "mine.py")
    (workspace / "my_rates.py").write_text("LR = 0.5  # now\n")
    assert unwrap(load_strategy(workspace / "mine.py")).__globals__["LR"] == 0.5
    (workspace / "other").mkdir()
    (workspace / "other" / "mine.py").write_text(STRATEGY)
    (workspace / "other" / "my_rates.py").write_text("LR = 5.0\n")
    sys.path.remove(str(workspace))
    assert unwrap(load_strategy(workspace / "other" / "mine.py")).__globals__["LR"] == 5.0


def test_a_module_that_is_missing_is_told_with_the_remedy(workspace):
    (workspace / "my_rates.py").unlink()
    with pytest.raises(UserError, match="No module named 'my_rates'") as refused:
        load_strategy(workspace / "mine.py")
    assert refused.value.fix == "put the module beside the file, or install it"
    assert refused.value.where == f"{workspace / 'mine.py'}:11"


def test_manifest_verify_and_compare_see_what_is_imported(workspace):
    clsim.run("s.yaml", out="a", device="cpu", seed=1)
    hashes = json.loads((workspace / "a" / "manifest.json").read_text())["hashes"]
    assert hashes["strategy import my_rates"] == sha256_of(workspace / "my_rates.py")

    def checked(run):
        return {check.what: check.verdict for check in verify(workspace / run).checks}

    assert checked("a")["strategy import my_rates"] == "agrees"
    (workspace / "my_rates.py").write_text("LR = 5.0\n")
    assert checked("a")["strategy import my_rates"] == "DIFFERS"
    clsim.run("s.yaml", out="b", device="cpu", seed=2)
    with pytest.raises(UserErrors, match="strategy import my_rates"):
        compare([workspace / "a", workspace / "b"])
    (workspace / "mine.py").write_text(STRATEGY.replace("from my_rates import LR", "LR = 0.05"))
    assert checked("a")["strategy import my_rates"] == "DIFFERS"


def test_a_run_of_an_earlier_version_has_no_hash_to_check(workspace):
    clsim.run("s.yaml", out="a", device="cpu")
    manifest = json.loads((workspace / "a" / "manifest.json").read_text())
    del manifest["hashes"]["strategy import my_rates"]
    (workspace / "a" / "manifest.json").write_text(json.dumps(manifest))
    checks = {check.what: check.verdict for check in verify(workspace / "a").checks}
    assert checks["strategy import my_rates"] == "not checked"


def test_validating_executes_nothing(workspace):
    (workspace / "my_rates.py").write_text("raise SystemExit('executed')\n")
    assert load_scenario("s.yaml").selected_strategy.name == "mine"
    local_imports(workspace / "mine.py")


def test_reading_imports_takes_no_torch():
    code = "import sys, clsim.config.local_imports; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
