"""On the console, for papers and for programs; names are text everywhere."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from helpers.handmade import OURS, THEIRS, Make
from helpers.world import CommandLine, make_world
from rich.console import Console

import clsim as package
from clsim.report.compare.printing import print_tables

HOSTILE = "=a|b_&%$#{}~^\\<b>[red]\x1b[2J\u202e"
MISSING = {"scenario": "cifar_fscil", "because": "no data"}


@pytest.fixture
def clsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


def words(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_plain_lines(clsim: CommandLine, two: list[Path]) -> None:
    said = clsim("compare", *two)
    assert (said.code, said.err) == (0, "")
    lines = words(said.out)
    assert lines[0] == "made: 2 strategies, seeds 1, 2, 3"
    assert "figure strategy seeds mean deviation 95 % interval" in lines
    assert "final accuracy ours 3 72.00 2.00 67.03 to 76.97" in lines
    assert "2 70.00 +- 0.00" not in lines
    assert "2 72.00 +- 2.00 64.00 +- 3.46" in lines
    assert "final accuracy ours - theirs 3 +8.00 2.00 +3.03 to +12.97 0.0202 0.2500" in lines
    assert lines[-1] == "3 common seeds: p (flips) cannot be below 0.25"


def test_another_confidence(clsim: CommandLine, two: list[Path]) -> None:
    lines = words(clsim("compare", *two, "--confidence", "0.5").out)
    assert "figure strategy seeds mean deviation 50 % interval" in lines
    assert "final accuracy ours 3 72.00 2.00 71.06 to 72.94" in lines  # t = 0.8165
    assert clsim("compare", *two, "--confidence", "95").code == 2


def test_json(clsim: CommandLine, two: list[Path]) -> None:
    said = clsim("compare", *two, "--json")
    assert json.loads(said.out) == json.loads(json.dumps(package.compare(two).to_dict()))
    assert clsim("compare", *two, "--json", "--format", "csv").code == 2


def test_markdown(clsim: CommandLine, two: list[Path]) -> None:
    lines = clsim("compare", *two, "--format", "markdown").out.splitlines()
    assert "| figure | strategy | seeds | mean | deviation | 95 % interval |" in lines
    assert "| --- | --- | ---: | ---: | ---: | ---: |" in lines
    assert "| final accuracy | ours | 3 | 72.00 | 2.00 | 67.03 to 76.97 |" in lines
    assert "| 2 | 72.00 ± 2.00 | 64.00 ± 3.46 |" in lines


def test_latex(clsim: CommandLine, two: list[Path]) -> None:
    text = clsim("compare", *reversed(two), "--format", "latex").out
    assert r"final accuracy & ours & 3 & 72.00 & 2.00 & 67.03 to 76.97 \\" in text
    assert r"2 & 64.00 $\pm$ 3.46 & 72.00 $\pm$ 2.00 \\" in text
    assert r"theirs - ours & 3 & $-$8.00 & 2.00 & $-$12.97 to $-$3.03 & 0.0202 & 0.2500 \\" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 3


def test_csv(clsim: CommandLine, two: list[Path]) -> None:
    said = clsim("compare", *two, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    (ours,) = (r for r in rows if (r["figure"], r["strategy"], r["minus"]) == ("final_accuracy", "ours", ""))
    assert (float(ours["mean"]), ours["n"], ours["p_t"]) == (pytest.approx(0.72), "3", "")
    (difference,) = (r for r in rows if (r["figure"], r["minus"]) == ("final_accuracy", "theirs"))
    assert float(difference["p_t"]) == pytest.approx(0.0202041, abs=1e-7)
    assert "p (flips)" in said.err


def test_published_rows_and_their_source(clsim: CommandLine, make: Make) -> None:
    row = {"accuracy": [0.95, 0.85, 0.75], "source": "a paper, table 2"}
    other = {"accuracy": [0.5, 0.4, 0.3], "source": "another"}
    published = {"published": {"ours": row, "absent": other}}
    paths = [make("ours", seed, [0.9, 0.8, final], scenario=published) for seed, final in OURS.items()]
    lines = words(clsim("compare", *paths).out)
    assert "final accuracy ours 3 72.00 2.00 67.03 to 76.97 75.00 -3.00" in lines
    assert "final accuracy absent - - - - 30.00 -" in lines
    assert "2 72.00 +- 2.00 75.00 -3.00 30.00" in lines
    assert "ours a paper, table 2" in lines and "absent another" in lines


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "csv", "json"])
def test_a_stand_in_is_said_aloud(clsim: CommandLine, make: Make, form: str) -> None:
    option = ["--json"] if form == "json" else ["--format", form]
    said = clsim("compare", make("ours", 1, [0.9, 0.8], stands_in_for=MISSING), *option)
    notice = "STAND-IN: made runs in place of cifar_fscil."
    if form == "text":
        assert said.out.splitlines()[0].startswith(notice) and said.out.splitlines()[-1].startswith(notice)
    else:
        assert said.err.splitlines()[-1].startswith(notice)


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "csv", "json"])
def test_held_out_images_are_said(clsim: CommandLine, make: Make, form: str) -> None:
    option = ["--json"] if form == "json" else ["--format", form]
    held = {"share": 0.2, "seed": 0, "images": 80, "classes": 4}
    said = clsim("compare", make("ours", 1, [0.9, 0.8], validation=held), *option)
    assert "Evaluated on 80 training images of 4 classes" in (said.err if form == "csv" else said.out)
    if form == "text":
        assert said.out.startswith("VALIDATION: Evaluated on 80 training images")


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "csv", "json"])
def test_hostile_names(clsim: CommandLine, make: Make, form: str) -> None:
    published = {"published": {HOSTILE: {"ac": 0.5, "source": HOSTILE}}}
    paths = [make(name, seed, [0.9, 0.8], scenario=published) for name in (HOSTILE, "session") for seed in (1, 2)]
    said = clsim("compare", *paths, *(["--json"] if form == "json" else ["--format", form]))
    assert said.code == 0, said.err
    assert all(character.isprintable() or character == "\n" for character in said.out + said.err)
    if form == "markdown":
        rows = [line for line in said.out.splitlines() if line.startswith("| 0 ")]
        assert len(rows) == 1 and len(re.findall(r"(?<!\\)\|", rows[0])) == 4  # session, two strategies
        assert r"=a\|b\_\&" in said.out and r"\<b\>\[red\]" in said.out
    if form == "latex":
        body = [line for line in said.out.splitlines() if not line.startswith("%")]
        assert not any(re.search(r"(?<!\\)[%#_]|\\u|\\x", line) for line in body)
        assert r"\&\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}\textless{}b" in said.out
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(said.out)))
        assert {row["strategy"][:2] for row in rows} == {"'=", "se"}
    if form == "json":
        assert json.loads(said.out)["strategies"][0]["strategy"] == HOSTILE


def test_on_terminals_nothing_is_cut_and_names_are_text(make: Make) -> None:
    given = [("[red]" + "x" * 40, OURS), ("theirs", THEIRS), ("third", {1: 0.5, 2: 0.4, 3: 0.6})]
    paths = [make(name, seed, [0.9, final]) for name, finals in given for seed, final in finals.items()]
    found = package.compare(paths)
    for width in (70, 100, 160):
        console = Console(file=io.StringIO(), width=width, force_terminal=True, record=True)
        print_tables(found, console)
        lines = console.export_text().splitlines()
        text = "\n".join(lines)
        assert "…" not in text and max(map(len, lines)) <= width
        assert "[red]" in text and "67.03 to 76.97" in text and "Holm" in text
        assert ("p (flips)  " in text) == (width == 160)


def test_a_real_series_of_two_strategies_and_three_seeds(clsim: CommandLine, tmp_path: Path) -> None:
    world = make_world(tmp_path)
    settings = "epochs: 1, base_epochs: 1, batch_size: 8, base_batch_size: 8"
    text = world.scenario.read_text() + "published: {fine_tune: {accuracy: [0.5, 0.25, 0.125], source: made up}}\n"
    text = text.replace("strategies:\n", f'strategies:\n  fine_tune: {{pretrained: "{world.clip}", {settings}}}\n')
    text = text.replace("splits: {draw: 1}", "splits: drawn")
    world.scenario.write_text(text)
    run = ("run", world.scenario, "--seeds", "1,2,3", "--device", "cpu")
    ended = clsim(*run, "--strategy", "fine_tune", "--out", "runs/tuned")
    assert ended.code == 0, ended.err
    assert "published: made up" in ended.out
    assert clsim(*run, "--out", "runs/zero").code == 0
    paths = [Path("runs", name, f"seed{seed}") for name in ("tuned", "zero") for seed in (1, 2, 3)]
    said = clsim("compare", *paths, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    finals = [json.loads((path / "results.json").read_text())["summary"]["final_accuracy"] for path in paths]
    for strategy, values in zip(found["strategies"], (finals[:3], finals[3:]), strict=True):
        figure = strategy["figures"]["final_accuracy"]
        assert list(figure["by_seed"].values()) == values
        assert figure["mean"] == pytest.approx(sum(values) / 3)
    assert [strategy["strategy"] for strategy in found["strategies"]] == ["fine_tune", "zero_shot"]
    assert found["differences"][0]["figures"]["final_accuracy"]["mean"] == pytest.approx(
        (sum(finals[:3]) - sum(finals[3:])) / 3
    )
    gap = found["strategies"][0]["figures"]["final_accuracy"]["minus_published"]
    assert gap == pytest.approx(sum(finals[:3]) / 3 - 0.125)
    shots = ("run", world.scenario, "--seed", "4", "--set", "stream.shots=2", "--out", "runs/fewer")
    assert clsim(*shots).code == 0
    refused = clsim("compare", *paths, "runs/fewer")
    assert (refused.code, refused.out) == (2, "")
    assert "runs/fewer: not of one experiment: scenario stream.shots: 2 here, 3 in runs/tuned/seed1" in refused.err
