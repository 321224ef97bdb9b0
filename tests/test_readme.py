"""The README's commands and code do what it says."""

import re
from pathlib import Path

import pytest

from clsim.config import load_scenario
from clsim.recipes import find_scenario, find_strategy
from clsim.sweep.load import load_sweep

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_two_commands_stand_in_it():
    assert "pip install -e . && clsim run scenarios/cifar_fscil.yaml\n" in blocks("sh")
    assert "pip install -e '.[dev]' && pytest\n" in blocks("sh")


def test_scenarios_strategies_and_settings_that_it_names_exist():
    runs = re.findall(r"^clsim run (\S+)(.*)$", "\n".join(blocks("sh")), flags=re.MULTILINE)
    assert len(runs) >= 5
    for scenario, options in runs:
        find_scenario(scenario)
        strategy = re.search(r"--strategy (\S+)", options)
        if strategy and not strategy[1].startswith("./"):
            find_strategy(strategy[1])
        load_scenario(scenario, re.findall(r"--set (\S+)", options))


def test_sweeps_that_it_names_can_be_run(tmp_path):
    sweeps = re.findall(r"^clsim sweep (\S+)", "\n".join(blocks("sh")), flags=re.MULTILINE)
    assert len(sweeps) >= 3
    for sweep in sweeps:
        assert load_sweep(sweep).jobs
    (block,) = [block for block in blocks("yaml") if block.startswith("scenario:")]
    (tmp_path / "sweep.yaml").write_text(block)
    plan = load_sweep(tmp_path / "sweep.yaml")
    assert (len(plan.jobs), len(plan.trials)) == (2 * 2 * 3 + 2 * 3, 2 * 2 + 2)


@pytest.mark.slow
def test_the_python_block_runs(tmp_path, monkeypatch, capsys):
    (block,) = blocks("python")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    accuracy = float(capsys.readouterr().out.strip().splitlines()[-1])
    assert 0 < accuracy < 1
    assert (tmp_path / "runs/by-hand/results.json").is_file()


def test_figures_of_the_tables_add_up():
    rows = re.findall(r"^\| [^|]+ ((?:\| \d+\.\d\d ){9})\| (\d+\.\d\d) \|$", README, flags=re.MULTILINE)
    assert len(rows) == 5
    assert "@@" not in README
    for figures, average in rows:
        accuracies = [float(figure) for figure in figures.split("|") if figure.strip()]
        assert sum(accuracies) / 9 == pytest.approx(float(average), abs=0.011)
