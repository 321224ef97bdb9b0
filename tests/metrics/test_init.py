"""Public names of the metrics."""

import subprocess
import sys

import clsim.metrics
from clsim.metrics import functional


def test_dir_holds_the_public_names_and_each_can_be_imported():
    for package in (clsim.metrics, functional):
        assert dir(package) == sorted(package.__all__)
        assert all(hasattr(package, name) for name in package.__all__)


def test_functions_import_neither_torch_nor_avalanche():
    code = (
        "import sys; from clsim.metrics import cmc, forgetting, nearest; "
        "assert not {'torch', 'avalanche', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
