"""A strategy file is code: it runs when its strategy is run, and never because something else was asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.world import CommandLine, World, make_world

from clsim.config import load_scenario
from clsim.config.discovery import shipped
from clsim.config.json_schema import scenario_schema

TRAP = '\n\nfrom pathlib import Path\n\nPath("ran_{name}").touch()\n'
"""At the end of a file: what it does as soon as it is executed."""
NAMES = ("zero_shot", "stationary", "mine", "reference", "other", "torch")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def clsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


@pytest.fixture
def scenario(clsim: CommandLine, world: World) -> str:
    """A workspace of traps, some of them by the names of shipped strategies; a scenario that names four of them."""
    working = (shipped("strategies") / "zero_shot.py").read_text()
    for folder in ("strategies", "scenarios"):
        Path(folder).mkdir()
    for name in NAMES:
        for folder in ("strategies", "."):
            Path(folder, f"{name}.py").write_text(working + TRAP.format(name=name))
    text = world.scenario.read_text().replace("strategy: zero_shot", "strategy: mine\nreferences: [reference]")
    settings = "".join(f'  {name}: {{pretrained: "{world.clip}"}}\n' for name in ("mine", "reference"))
    Path("scenarios/trapped.yaml").write_text(text.replace("strategies:\n", f"strategies:\n{settings}  other: {{}}\n"))
    return "trapped"


def ran() -> set[str]:
    return {path.name.removeprefix("ran_") for path in Path().rglob("ran_*")}


@pytest.mark.parametrize(
    "arguments",
    [
        *(("validate", "trapped"), ("list",), ("list", "strategies"), ("list", "scenarios"), ("list", "models")),
        *(("list", "metrics"), ("schema",), ("data",), ("pretrain", "trapped"), ("--help",), ("run", "--help")),
        *(("run", "trapped", "--seed", "-1"), ("run", "trapped", "--set", "strategy.absent=1")),
        *(("run", "trapped", "--strategy", "./absent.py"), ("run", "trapped", "--device", "tpu")),
    ],
)
def test_nothing_else_executes_a_strategy(clsim: CommandLine, scenario: str, arguments: tuple[str, ...]) -> None:
    before = set(Path().rglob("*"))
    clsim(*arguments)
    assert ran() == set()
    assert set(Path().rglob("*")) == before


def test_loading_reading_and_changing_a_scenario_executes_none(scenario: str) -> None:
    loaded = load_scenario(scenario, {"strategy.pretrained": "x"})
    assert loaded.selected_strategy.path == Path("strategies/mine.py")
    assert loaded.with_strategy("zero_shot").with_strategy("./other.py").to_yaml()
    assert [reference.name for reference in loaded.reference_strategies] == ["reference"]
    assert scenario_schema()["properties"]
    assert ran() == set()


@pytest.mark.parametrize("module", [("-m", "clsim"), ("-c", "from clsim.cli.main import main; main()")])
def test_a_process_of_its_own_executes_none_either(scenario: str, module: tuple[str, str]) -> None:
    for arguments in (("validate", scenario), ("list", "strategies"), ("schema",)):
        done = subprocess.run([sys.executable, *module, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    assert ran() == set()


def test_a_run_executes_its_strategy_and_its_references(clsim: CommandLine, scenario: str) -> None:
    said = clsim("run", scenario, "--out", "run", "--quiet")
    assert (said.code, said.err) == (0, "")
    assert ran() == {"mine", "reference"}


@pytest.mark.parametrize(
    ("option", "executed"),
    [
        (("--strategy", "other"), "other"),
        (("--set", "strategy=other"), "other"),
        (("--strategy", "./torch.py"), "torch"),
        (("--strategy", "zero_shot"), "zero_shot"),
    ],
)
def test_a_run_of_another_strategy_executes_that_one_alone(
    clsim: CommandLine, scenario: str, world: World, option: tuple[str, str], executed: str
) -> None:
    weights = ("--set", f"strategy.pretrained={world.clip}")
    said = clsim("run", scenario, *option, *weights, "--out", "run", "--quiet")
    assert (said.code, said.err) == (0, "")
    assert ran() == {executed}
