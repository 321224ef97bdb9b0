"""Nothing in the package reads a file by what can run code from it, today or after the next change."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import clsim as package

CODE = {"eval", "exec", "compile", "__import__"}
LOADERS = {
    "torch.load": "weights_only=True",
    "np.load": "allow_pickle=False",
    "pickle.load": None,
    "pickle.loads": None,
    "yaml.load": None,
    "yaml.load_all": None,
    "yaml.full_load": None,
    "yaml.unsafe_load": None,
    "torch.jit.load": None,
    "joblib.load": None,
    "os.system": None,
}
"""What may only be called with this argument, or not at all."""


@pytest.mark.parametrize("path", sorted(Path(package.__file__).parent.rglob("*.py")), ids=lambda path: path.name)
def test_no_module_reads_by_what_can_run_code(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called, given = ast.unparse(node.func), {ast.unparse(keyword) for keyword in node.keywords}
        place = f"{path.name}:{node.lineno}: {called}"
        assert called not in CODE, place
        assert called.rpartition(".")[2] not in ("extractall", "extract"), place
        assert called not in LOADERS or LOADERS[called] in given, place
        assert "shell=True" not in given and "trust_remote_code=True" not in given, place
