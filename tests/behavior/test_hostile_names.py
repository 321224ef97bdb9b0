"""Names from data sets and scenarios are text: no terminal obeys them, no markup is read in them, JSON stays JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from helpers.tiny import save_tiny_clip
from helpers.world import CommandLine, Said, World, make_world
from PIL import Image

from clsim.config import load_scenario
from clsim.report.console import choose

CLASSES = [
    "<script>alert(1)<script>",
    "[bold red]x",
    "\x1b[2J\x1b]0;title\x07",
    "two\nlines\rone",
    "n" * 200,
    "\u202etxt.exe\u2066",
    os.fsdecode(b"\xff\xfe"),
    "{0}%s\\x1b'\"$(touch marker)",
]
MARKUP = "[bold red]x[/] <script>alert(1)<script>"
CONTROLS = "\x1b[2J\u202e\x07"
SHOWN = r"\x1b[2J\u202e\x07"
MODES = ["plain", "terminal", "json", "quiet"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), CLASSES.__getitem__)


@pytest.fixture
def clsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


def run(clsim: CommandLine, monkeypatch: pytest.MonkeyPatch, mode: str, *arguments: object) -> Said:
    """A run as someone at a terminal, behind a pipe, or a program sees it."""
    monkeypatch.setenv("COLUMNS", "200")
    if mode == "terminal":
        monkeypatch.setattr(choose, "is_terminal", lambda stream: True)
    options = {"json": ("--json",), "quiet": ("--quiet",)}.get(mode, ())
    return clsim("run", *arguments, *options, "--out", "run")


def check(said: Said, mode: str) -> None:
    """Nothing of `CONTROLS` reaches the terminal as it is; what the display itself writes aside, no control at all."""
    for text in (said.out, said.err):
        assert "\x1b[2J" not in text
        assert not {"\u202e", "\u2066", "\x07", "\udcff"} & set(text)
        if mode != "terminal":
            assert all(character.isprintable() or character == "\n" for character in text)
    if mode == "json":
        assert all(json.loads(line)["event"] for line in said.out.splitlines())


def check_files() -> None:
    """What the run left is JSON and YAML, and says the same when it is read again."""
    for name in ("results.json", "manifest.json"):
        json.loads(Path("run", name).read_text("utf-8"))
    for line in Path("run/sessions.jsonl").read_text("utf-8").splitlines():
        json.loads(line)
    assert not Path("marker").exists()


@pytest.mark.parametrize("mode", MODES)
def test_classes(clsim: CommandLine, world: World, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    said = run(clsim, monkeypatch, mode, world.scenario)
    assert said.code == 0, said.err
    check(said, mode)
    check_files()


@pytest.mark.parametrize("mode", MODES)
def test_a_scenario_a_strategy_and_a_folder(
    clsim: CommandLine, world: World, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    folder = Path(f"{CONTROLS}{MARKUP}").absolute()
    folder.parent.mkdir(parents=True)
    folder.symlink_to(world.data)
    scenario, strategy = Path(f"{MARKUP.replace('/', '')}.yaml"), Path(f"{MARKUP.replace('/', '')}.py")
    strategy.write_text((Path(__file__).parents[2] / "strategies" / "zero_shot.py").read_text())
    content = {
        "description": f"{CONTROLS}{MARKUP}",
        "stream": {**load_scenario(world.scenario).stream.model_dump(), "dataset": f"folder:{folder}"},
        "strategy": str(strategy),
        "strategies": {strategy.stem: {"pretrained": str(world.clip)}},
    }
    scenario.write_text(json.dumps(content))
    said = run(clsim, monkeypatch, mode, scenario)
    assert said.code == 0, said.err
    check(said, mode)
    check_files()
    assert mode == "json" or scenario.stem in said.out
    assert mode in ("json", "quiet") or SHOWN in said.out
    assert load_scenario("run/scenario.yaml").description == content["description"]
    for command in (("validate", scenario), ("list", "strategies"), ("list", "scenarios")):
        said = clsim(*command)
        assert said.code == 0
        assert all(character.isprintable() or character in "\n\t" for character in said.out)


@pytest.mark.parametrize("mode", MODES)
def test_models_that_arrive(clsim: CommandLine, world: World, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    name = f"{CONTROLS}{MARKUP}"
    content = {
        "stream": {
            **{"kind": "replacement", "dataset": f"folder:{world.data}", "base_classes": 4, "ways": 4},
            "replacements": [{"model": name, "during": 1, "after_iterations": 999}],
        },
        "strategy": "stationary",
        "strategies": {"stationary": {"backbone": "resnet14x4", "base_epochs": 1, "epochs": 1, "vertices": 16}},
        "models": {name: {"kind": "timm", "model": "resnet14x4", "pretrained": False}},
    }
    Path("arriving.yaml").write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="is due after iteration"):
        said = run(clsim, monkeypatch, mode, "arriving.yaml")
    assert said.code == 0, said.err
    check(said, mode)
    check_files()
    if mode in ("plain", "terminal"):
        assert f"model replaced by {SHOWN}[bold red]x[/]" in said.out.replace("\n", " ")
    for command in (("list", "models"), ("pretrain", "arriving.yaml")):
        said = clsim(*command)
        assert all(character.isprintable() or character in "\n\t" for character in said.out + said.err)


def test_captions(clsim: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["<script>alert(1)</script>", "[bold red]x[/]", CONTROLS, "n" * 5000, "{0}%s"]
    rows = ["image\tcaption\tsplit"]
    for number in range(20):
        Image.new("RGB", (8, 8), (number * 9, 0, 0)).save(f"{number}.png")
        rows.append(f"{number}.png\t{texts[number % 5]} {number}\t{'train' if number < 10 else 'test'}")
    Path("told.tsv").write_text("\n".join(rows))
    content = {
        "stream": {"kind": "text_upgrade", "dataset": "captions:told.tsv", "load": ["a", "b"]},
        "strategy": "clip_independent",
        "models": {
            name: {"kind": "checkpoint", "path": save_tiny_clip(Path(f"{name}.safetensors"), seed=seed)}
            for seed, name in enumerate("ab")
        },
    }
    Path("told.yaml").write_text(json.dumps(content))
    said = run(clsim, monkeypatch, "plain", "told.yaml")
    assert said.code == 0, said.err
    check(said, "plain")
    check_files()
    Path("told.tsv").write_text(f"{rows[0]}\n{CONTROLS}{MARKUP}.png\ta caption\ttrain")
    code, _, err = said = clsim("run", "told.yaml")
    assert code == 2
    assert "told.tsv:2: image" in err
    assert MARKUP in err
    check(said, "plain")


@pytest.mark.parametrize(
    "name", [f"{CONTROLS}.yaml", f"no/{CONTROLS}.yaml", CONTROLS, "n" * 5000, f"{'n' * 5000}.yaml"]
)
def test_a_scenario_that_is_not_there(clsim: CommandLine, name: str) -> None:
    for command in ("run", "validate", "pretrain"):
        said = clsim(command, name)
        assert said.code == 2
        check(said, "plain")


@pytest.mark.parametrize("key", ["stream.dataset=folder:", "strategy.pretrained=/"])
def test_a_path_too_long_is_the_users_mistake(clsim: CommandLine, world: World, key: str) -> None:
    said = clsim("run", world.scenario, "--set", f"{key}{'n' * 5000}")
    assert said.code == 2
    assert "File name too long" in said.err


def test_a_warning_is_told_without_its_controls(clsim: CommandLine) -> None:
    import warnings

    clsim("validate", "absent")
    told = warnings.formatwarning(f"{CONTROLS}{MARKUP}\nsecond", UserWarning, "file.py", 3)  # type: ignore[arg-type]
    assert told == "file.py:3: UserWarning: " + f"{SHOWN}{MARKUP}\nsecond\n"
