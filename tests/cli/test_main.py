"""The command line as a user meets it: exit codes, messages, no traceback, no torch before it is needed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.workspace import REPLACEMENT, SCENARIO, make_workspace

from clsim.api import run
from clsim.cli import main as cli
from clsim.config.discovery import shipped
from clsim.experiment import run_paths


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    make_workspace(tmp_path)
    return tmp_path


def clsim(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "clsim", *arguments],
        cwd=folder,
        env={**os.environ, "CLSIM_DATA": str(folder / "data"), "CLSIM_DEBUG": "", "COLUMNS": "200", **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--help"], "validate"),
        (["run", "--help"], "--seeds"),
        (["--version"], "clsim 0"),
        (["validate", "test", "scenarios/stand_in.yaml"], "scenarios/test.yaml: ok (shapes, 9 sessions, toy)"),
        (["list"], "a test"),
        (["list", "strategies"], "toy"),
        (["data", "status", "shapes"], "here"),
        (["schema"], "$schema"),
    ],
)
def test_what_is_right_exits_with_0(workspace: Path, arguments: list[str], says: str) -> None:
    done = clsim(workspace, *arguments)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
    assert not done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rum"], "Did you mean 'run'?"),
        (["run"], "Missing argument"),
        (["run", "test", "--sed", "3"], "--seed"),
        (["run", "test", "--seed", "x"], "--seed"),
        (["run", "tset"], "did you mean 'test'?"),
        (["run", "absent.yaml"], "no such scenario file"),
        (["run", "."], "there is no scenario '.'"),
        (["run", "test", "--out="], "a path is empty"),
        (["run", "test", "--strategy", "tooy"], "--strategy tooy: there is no strategy 'tooy'"),
        (["run", "test", "--strategy", "strategies"], "there is no strategy 'strategies'"),
        (["run", "test", "--set", "stream.shot=1"], "--set stream.shot=1: unknown key 'shot' in stream"),
        (["run", "test", "--set", "strategy.epochs=two"], "expected an integer, got the string 'two'"),
        (["run", "test", "--seed", "-1"], "--seed -1"),
        (["run", "test", "--seeds", "1,2,x"], "'x' is not a seed"),
        (["run", "test", "--seeds", "1,2", "--seed", "3"], "exclude each other"),
        (["run", "test", "--quiet", "--json"], "exclude each other"),
        (["validate"], "Missing argument"),
        (["validate", "tset", "test"], "there is no scenario 'tset'"),
        (["list", "scenarioz"], "scenarios"),
        (["data", "status", "cifar"], "unknown data set 'cifar'"),
        (["data", "look"], "status"),
        (["pretrain", "tset"], "did you mean 'test'?"),
        (["compare"], "Missing argument"),
        (["compare", "nowhere"], "nowhere: there is no such run directory"),
        (["compare", "nowhere", "--confidence", "95"], "the confidence is 95"),
        (["compare", "nowhere", "--format", "html"], "--format"),
    ],
)
def test_wrong_input_exits_with_2_and_a_message(workspace: Path, arguments: list[str], says: str) -> None:
    done = clsim(workspace, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_validate_prints_every_error_of_every_file(workspace: Path) -> None:
    wrong = SCENARIO.replace("shots: 5", "shots: 500").replace("seed: 42", "seed: x")
    (workspace / "scenarios" / "wrong.yaml").write_text(wrong)
    (workspace / "scenarios" / "worse.yaml").write_text("a: [")
    done = clsim(workspace, "validate", "wrong", "scenarios/worse.yaml", "test")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("scenarios/")] == [
        "scenarios/wrong.yaml:8: stream.shots: 500 shots, but a class of shapes may have only 50 training images",
        "scenarios/wrong.yaml:20: seed: expected an integer, got the string 'x'",
        "scenarios/worse.yaml:1: not valid YAML: expected the node content, but found '<stream end>'",
    ]
    assert done.stdout == "scenarios/test.yaml: ok (shapes, 9 sessions, toy)\n"


def test_validate_says_what_arrives(workspace: Path) -> None:
    (workspace / "scenarios" / "arriving.yaml").write_text(REPLACEMENT)
    done = clsim(workspace, "validate", "arriving")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "scenarios/arriving.yaml: ok (cifar100, 7 sessions, 3 replacements, toy)\n"


def test_pretrain_says_what_needs_no_training(workspace: Path) -> None:
    text = REPLACEMENT.replace("  v1: {kind: classifier, dataset: tiny_imagenet32, classes: 50}\n", "")
    text = text.replace("    - {model: v1, before: 0}\n", "")
    (workspace / "scenarios" / "arriving.yaml").write_text(text)
    done = clsim(workspace, "pretrain", "arriving", "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "arriving: v2: nothing to make (timm)",
        "arriving: v3: nothing to make (checkpoint)",
    ]


def test_debug_shows_the_traceback_too(workspace: Path) -> None:
    for done in (clsim(workspace, "--debug", "run", "tset"), clsim(workspace, "run", "tset", env={"CLSIM_DEBUG": "1"})):
        assert done.returncode == 2
        assert "Traceback" in done.stderr
        assert "did you mean 'test'?" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--help"], ["validate", "test"], ["list"], ["schema"], ["run", "tset"], ["compare", "x"]]
)
def test_torch_is_not_imported_before_it_is_needed(workspace: Path, arguments: list[str]) -> None:
    program = (
        "import sys\nfrom clsim.cli.main import main\n"
        f"sys.argv = ['clsim', *{arguments!r}]\n"
        "try:\n    main()\n"
        "finally:\n    heavy = {'torch', 'avalanche', 'open_clip', 'numpy'} & set(sys.modules)\n"
        "    print('heavy:', sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=workspace, capture_output=True, text=True, check=False)
    assert "heavy: []" in done.stdout, done.stdout[-500:] + done.stderr


def test_help_is_prompt(workspace: Path) -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        clsim(workspace, "--help")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.0  # 0.15 s on a quiet machine, where the bound is 0.3 s


def test_a_reader_that_leaves_and_a_full_disk_are_told_quietly(workspace: Path) -> None:
    command = f"{sys.executable} -m clsim schema"
    left = subprocess.run(
        ["bash", "-c", f"{command} | head -1; exit ${{PIPESTATUS[0]}}"],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=False,
    )
    assert left.returncode in (0, 1)
    assert not left.stderr
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "clsim", "schema"],
                cwd=workspace,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert done.returncode == 1
        assert "no space left" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_schema_beside_the_scenarios_is_up_to_date() -> None:
    scenarios = shipped("scenarios")
    written = json.loads((scenarios / "schema.json").read_text())
    printed = json.loads(clsim(scenarios.parent, "schema").stdout)
    assert _keys(written) == _keys(printed), "run: clsim schema > scenarios/schema.json"


def _keys(node: Any, path: str = "") -> dict[str, Any]:
    """Every key a scenario may have, with default and description: what no version of pydantic words otherwise."""
    found: dict[str, Any] = {}
    if isinstance(node, dict):
        for key, inner in node.get("properties", {}).items():
            found[f"{path}.{key}"] = (inner.get("default"), inner.get("description"))
        for key, inner in node.items():
            found |= _keys(inner, f"{path}.{key}")
    return found


def test_every_shipped_scenario_names_the_schema_and_is_valid() -> None:
    files = sorted(shipped("scenarios").glob("*.yaml"))
    assert files
    for path in files:
        assert path.read_text().splitlines()[0] == "# yaml-language-server: $schema=schema.json", path.name
    done = clsim(shipped("scenarios").parent, "validate", *map(str, files))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (SystemExit(130), 130, "interrupted"),  # what typer makes of Ctrl-C
        (SystemExit(2), 2, ""),
        (OSError(28, "No space left on device"), 1, "no space left"),
        (ZeroDivisionError("odd"), 1, "failed: ZeroDivisionError: odd"),
    ],
)
def test_however_a_command_ends_it_ends_with_a_code(
    error: BaseException,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.delenv("CLSIM_DEBUG", raising=False)
    monkeypatch.setattr(cli, "app", fail)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as left:
            cli.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert left.value.code == code
    printed = capfd.readouterr().err
    assert says in printed
    assert "Traceback" not in printed


def small_run(*more: str, out: str) -> list[str]:
    """Return the command of a run of a few seconds."""
    words = [sys.executable, "-m", "clsim", "run", "shapes_fscil", "--strategy", "zero_shot", "--quiet", *more]
    return [*words, "--set", "stream.base_classes=5", "--set", "stream.sessions=1", f"--out={out}"]


def test_runs_begun_in_the_same_second_have_directories_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ["stream.base_classes=5", "stream.sessions=1"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_paths.time, "strftime", lambda form: "20260101-120000")
    made = [run("shapes_fscil", "zero_shot", overrides=small).path for _ in range(3)]
    assert [path.name for path in made] == [f"seed42-20260101-120000{more}" for more in ("", "-2", "-3")]
    assert all((path / "results.json").is_file() for path in made)


@pytest.mark.slow
def test_a_run_needs_no_standard_streams(tmp_path: Path) -> None:
    """As under a daemon: 0, 1 and 2 are closed, and no file of the run gets their numbers."""
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *small_run(out="r")], cwd=tmp_path, timeout=120, check=False
    )
    assert closed.returncode == 0
    assert json.loads((tmp_path / "r" / "results.json").read_text())["status"] == "complete"


@pytest.mark.slow
def test_a_tilde_after_an_equals_sign_is_the_home_directory(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        small_run(out="~/r"),
        cwd=tmp_path / "work",
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (home / "r" / "results.json").is_file()
    assert not list((tmp_path / "work").iterdir())
