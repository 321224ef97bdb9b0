"""Weights as people have them, through the command line: what is loaded, what is refused, and what is recorded."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch
from helpers.world import CommandLine, World, make_world
from open_clip.model import CLIP
from safetensors import safe_open
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def clsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


def clips(run: str = "r") -> list[dict[str, object]]:
    content: list[dict[str, object]] = json.loads((Path(run) / "manifest.json").read_text())["clips"]
    return content


def test_a_run_records_what_its_weights_do_not_show(clsim: CommandLine, world: World) -> None:
    code, _, err = clsim("run", world.scenario, "--out", "r")
    assert code == 0, err
    (facts,) = clips()
    assert (facts["activation"], facts["mean"], facts["interpolation"]) == ("GELU", [0.5] * 3, "bicubic")
    assert (facts["image_size"], facts["context_length"], facts["remarks"]) == (8, 32, [])


def test_weights_with_a_number_that_is_none_are_refused(clsim: CommandLine, world: World) -> None:
    with safe_open(world.clip, framework="pt") as file:
        metadata = file.metadata()
    state = load_file(world.clip)
    state["ln_final.weight"][0] = float("nan")
    path = Path("nan.safetensors").absolute()
    save_file(state, path, metadata)
    code, out, err = clsim("run", world.scenario, "--set", f"strategy.pretrained={path}", "--out", "r")
    assert (code, out) == (2, "")
    assert f"{path}: ln_final.weight has 1 of" in err
    assert not Path("r").exists()


def test_two_classes_that_are_one_text_are_told_and_recorded(
    clsim: CommandLine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = make_world(
        tmp_path_factory.mktemp("same"), lambda number: ("Fox", "fox")[number] if number < 2 else f"x{number}"
    )
    with pytest.warns(UserWarning, match="'Fox' = 'fox'"):
        code, _, err = clsim("run", world.scenario, "--out", "r")
    assert code == 0, err
    assert "2 classes share their text" in clips()[0]["remarks"][0]  # type: ignore[index]


def test_a_template_that_leaves_no_room_for_names_is_refused(clsim: CommandLine, world: World) -> None:
    template = "word " * 40 + "[]"
    code, out, err = clsim("run", world.scenario, "--set", f"strategy.template='{template}'", "--out", "r")
    assert (code, out) == (2, "")
    assert "strategy.template" in err
    assert "identical" in err
    assert not Path("r").exists()


def test_an_activation_that_nothing_tells_is_asked_for_and_may_be_set(clsim: CommandLine, world: World) -> None:
    torch.manual_seed(0)
    state = CLIP(**open_clip.get_model_config("ViT-B-32")).state_dict()
    torch.save({key: value.half() for key, value in state.items()}, "bare.pt")
    weights = ("--set", "strategy.backbone=ViT-B-32", "--set", f"strategy.pretrained={Path('bare.pt').absolute()}")
    code, out, err = clsim("run", world.scenario, *weights, "--out", "r")
    assert (code, out) == (2, "")
    assert "strategy.quick_gelu to true (as in openai" in err
    code, _, err = clsim("run", world.scenario, *weights, "--set", "strategy.quick_gelu=true", "--out", "r")
    assert code == 0, err
    assert (clips()[0]["activation"], clips()[0]["activation_known_from"]) == ("QuickGELU", "the setting quick_gelu")
    Path("bare.pt").unlink()
