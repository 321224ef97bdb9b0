"""A user's mistakes, from the command line to the message: never a traceback, and nothing is lost."""

import errno
import json
from pathlib import Path

import pytest
import torch
from helpers.world import CommandLine, make_world
from safetensors.torch import load_file, save_file

from clsim.results import run_directory


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def clsim(tmp_path, monkeypatch, capsys):
    return CommandLine(tmp_path, monkeypatch, capsys)


def test_the_world_of_these_tests_runs(clsim, world, tmp_path):
    code, out, err = clsim("run", world.scenario, "--out", "run")
    assert (code, err) == (0, "")
    assert (tmp_path / "run" / "results.json").is_file()
    assert "accuracy" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stream: {kind: fscil\nstrategy: zero_shot\n", "bad.yaml:2"),
        ("stream: [1\n", "bad.yaml"),
        ("", "is empty"),
        ("- a\n- b\n", "expected a block of keys"),
    ],
)
def test_bad_yaml(clsim, tmp_path, text, said):
    Path("bad.yaml").write_text(text)
    code, _, err = clsim("run", "bad.yaml")
    assert code == 2
    assert said in err
    assert not Path("runs").exists()


def test_wrong_types_and_unknown_keys_all_at_once_with_their_lines(clsim, world):
    text = world.scenario.read_text().replace("shots: 3", "shots: three").replace("seed: 1", "sead: 1\nseed: -4")
    Path("wrong.yaml").write_text(text)
    code, _, err = clsim("run", "wrong.yaml")
    assert code == 2
    assert "wrong.yaml:1" in err
    assert "shots" in err
    assert "wrong.yaml:5" in err
    assert "seed" in err
    assert "wrong.yaml:6" in err


def test_missing_scenario_names_the_nearest(clsim):
    code, _, err = clsim("run", "cifar_fscyl")
    assert code == 2
    assert "cifar_fscil" in err


def test_missing_data_with_strict_says_how_to_get_it(clsim):
    code, _, err = clsim("run", "cub_fscil", "--strict")
    assert code == 2
    assert "cub200" in err
    assert "clsim data fetch" in err
    assert not Path("runs").exists()


def test_missing_folder(clsim, world):
    code, _, err = clsim("run", world.scenario, "--set", "stream.dataset=folder:/no/such/place")
    assert code == 2
    assert "/no/such/place" in err


def test_corrupt_image_is_named(clsim, world, tmp_path):
    copy = tmp_path / "copy"
    for path in world.data.rglob("*.png"):
        target = copy / path.relative_to(world.data)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    broken = copy / "train" / "thing_2" / "10.png"
    broken.write_bytes(broken.read_bytes()[:40])
    code, _, err = clsim("run", world.scenario, "--set", f"stream.dataset=folder:{copy}")
    assert code == 2
    assert str(broken) in err


def test_checkpoint_of_another_shape_names_the_tensor(clsim, world, tmp_path):
    from safetensors import safe_open

    with safe_open(world.clip, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(world.clip)
    tensors["visual.proj"] = torch.zeros(24, 13)
    save_file(tensors, tmp_path / "other.safetensors", metadata)
    code, _, err = clsim("run", world.scenario, "--set", f"strategy.pretrained={tmp_path / 'other.safetensors'}")
    assert code == 2
    assert "visual.proj" in err
    (tmp_path / "short.safetensors").write_bytes(world.clip.read_bytes()[:500])
    code, _, err = clsim("run", world.scenario, "--set", f"strategy.pretrained={tmp_path / 'short.safetensors'}")
    assert code == 2
    assert "short.safetensors" in err


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "gpu"])
def test_unknown_device(clsim, world, device):
    code, _, err = clsim("run", world.scenario, "--device", device)
    assert code == 2
    assert device in err
    assert not Path("runs").exists()


def test_output_directory_in_use_and_a_file_in_its_place(clsim, world):
    assert clsim("run", world.scenario, "--out", "run", "--quiet")[0] == 0
    before = Path("run/results.json").read_bytes()
    code, _, err = clsim("run", world.scenario, "--out", "run")
    assert code == 2
    assert "already holds a run" in err
    assert Path("run/results.json").read_bytes() == before
    Path("file").write_text("mine")
    code, _, err = clsim("run", world.scenario, "--out", "file")
    assert code == 2
    assert Path("file").read_text() == "mine"


def test_no_space_left_keeps_the_sessions_that_were_written(clsim, world, monkeypatch):
    synced = []
    whole = run_directory.os.fsync

    def fsync(descriptor):
        synced.append(descriptor)
        if len(synced) > 5:  # scenario.yaml, manifest.json, then two files a session
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(descriptor)

    monkeypatch.setattr(run_directory.os, "fsync", fsync)
    code, _, err = clsim("run", world.scenario, "--out", "run", "--quiet")
    assert code == 1
    assert "no space left" in err
    results = Path("run/results.json").read_text()
    assert '"session": 0' in results
    assert not list(Path("run").glob(".results*"))


def test_a_strategy_file_that_is_broken_or_missing(clsim, world):
    Path("mine.py").write_text("def build(stream, *, a: int = 1):\n    raise RuntimeError('not finished')\n")
    code, _, err = clsim("run", world.scenario, "--strategy", "./mine.py")
    assert code == 1
    assert "not finished" in err
    Path("syntax.py").write_text("def build(stream, *, a: int = 1:\n")
    code, _, err = clsim("run", world.scenario, "--strategy", "./syntax.py")
    assert code == 2
    assert "syntax.py" in err
    code, _, err = clsim("run", world.scenario, "--strategy", "./gone.py")
    assert code == 2


def test_misspelt_setting_by_hand(clsim, world):
    code, _, err = clsim("run", world.scenario, "--set", "strategy.templete=x")
    assert code == 2
    assert "template" in err


def test_forgetting_is_left_out_where_the_scenario_does_not_ask_for_it(clsim, world):
    assert clsim("run", world.scenario, "--out", "run", "--quiet", "--set", "evaluation.forgetting=false")[0] == 0
    results = json.loads(Path("run/results.json").read_text())
    assert [record["forgetting"] for record in results["sessions"]] == [None] * 3
    assert results["summary"]["average_forgetting"] is None
