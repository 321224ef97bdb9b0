"""The README's first command on a machine that has neither data nor weights nor network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_main_job_without_data_says_so_first_and_last_and_shows_what_cpe_clip_buys(tmp_path):
    # Names resolve nowhere but here, whatever network there is.
    offline = "import clsim.utils.download; clsim.utils.download.reachable = lambda *_, **__: False; "
    offline += "from clsim.cli.main import main; main()"
    command = [sys.executable, "-c", offline, "run", str(ROOT / "scenarios/cifar_fscil.yaml"), "--out", "runs/one"]
    home = {"HOME": str(tmp_path), "CLSIM_DATA": str(tmp_path / "data"), "CLSIM_MODELS": str(tmp_path / "models")}
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **home}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.strip().splitlines()
    for said in ("\n".join(lines[:3]), "\n".join(lines[-3:])):
        assert "STAND-IN" in said
        assert "shapes_fscil runs in place of cifar_fscil" in said
        assert "cifar100 was not found" in said
    runs = {"cpe_clip": "runs/one", "zero_shot": "runs/one/zero_shot", "fine_tune": "runs/one/fine_tune"}
    results = {name: json.loads((tmp_path / path / "results.json").read_text()) for name, path in runs.items()}
    assert all(result["status"] == "complete" for result in results.values())
    assert results["cpe_clip"]["stands_in_for"]["scenario"] == "cifar_fscil"
    final = {name: result["summary"]["final_accuracy"] for name, result in results.items()}
    assert final["cpe_clip"] >= final["zero_shot"] + 0.05
    assert final["cpe_clip"] >= final["fine_tune"] + 0.20
    # Every session of every strategy is over the same test images, so the columns can be compared.
    assert {len(result["sessions"]) for result in results.values()} == {9}
    # Plain fine-tuning forgets, and not because it never knew.
    assert results["fine_tune"]["sessions"][0]["accuracy"] > 0.6
    assert results["fine_tune"]["sessions"][-1]["base_accuracy"] < 0.2
