import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from clsim.results.run_directory import RunDirectory, check_usable
from clsim.utils.errors import UserError


def test_a_run_directory_takes_one_run(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    with pytest.raises(UserError, match="another run is writing"):
        RunDirectory(tmp_path / "run")
    directory.append_session({"session": 0})
    directory.append_session({"session": 1})
    lines = (tmp_path / "run" / "sessions.jsonl").read_text().splitlines()
    assert [json.loads(line)["session"] for line in lines] == [0, 1]
    directory.save_weights("last", {"w": torch.ones(2, 2).T})
    assert load_file(tmp_path / "run" / "checkpoints" / "last.safetensors")["w"].sum() == 4
    directory.close()
    with pytest.raises(UserError, match="already holds a run"):
        RunDirectory(tmp_path / "run")


def test_a_file_or_a_forbidden_place_is_the_users_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="not a directory"):
        RunDirectory(tmp_path / "file")
    with pytest.raises(UserError, match="not a directory"):
        RunDirectory(tmp_path / "file" / "below")
    with pytest.raises(UserError, match="cannot write"):
        RunDirectory(Path("/proc/run"))
    assert not (tmp_path / "free").exists()
    check_usable(tmp_path / "free" / "place")
    assert not (tmp_path / "free").exists()


def test_the_lock_is_gone_with_its_process(tmp_path):
    code = "import os, sys; from pathlib import Path; from clsim.results.run_directory import RunDirectory; "
    code += "RunDirectory(Path(sys.argv[1])); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == 9
    assert (tmp_path / ".lock").exists()
    RunDirectory(tmp_path).close()
    assert not (tmp_path / ".lock").exists()


def test_a_run_is_gone_on_with_only_when_asked(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    assert directory.read_json("manifest.json") is None
    directory.write_json("manifest.json", {"seed": 3})
    directory.write_sessions([{"session": 0}])
    with pytest.raises(UserError, match="another run is writing"):
        RunDirectory(tmp_path / "run", resume=True)
    directory.close()
    with pytest.raises(UserError, match="already holds a run"):
        check_usable(tmp_path / "run")
    check_usable(tmp_path / "run", resume=True)
    again = RunDirectory(tmp_path / "run", resume=True)
    assert again.read_json("manifest.json") == {"seed": 3}
    for damaged in ("{", "[" * 100_000, "\udcff"):
        (tmp_path / "run" / "manifest.json").write_bytes(damaged.encode("utf-8", "surrogateescape"))
        with pytest.raises(UserError, match="damaged"):
            again.read_json("manifest.json")
    again.close()
