"""`clsim report` as a user meets it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.read_page import Page
from helpers.world import CommandLine

Made = Callable[..., Path]


@pytest.fixture
def clsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


@pytest.fixture
def run(made: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made("upgrade"), tmp_path / "run"))


def test_one_run_gets_its_page_in_its_own_directory(clsim: CommandLine, run: Path) -> None:
    (run / "report.html").unlink()
    assert clsim("report", "run") == (0, "run/report.html\n", "")
    assert Page((run / "report.html").read_text(encoding="utf-8")).headlines["run-1"]


def test_several_get_one_here_or_where_it_is_asked_for(clsim: CommandLine, run: Path, made: Made) -> None:
    assert clsim("report", run, made("fscil")) == (0, "report.html\n", "")
    assert clsim("report", run, made("fscil"), "--out", "new/one.html") == (0, "new/one.html\n", "")
    assert Path("new/one.html").read_bytes() == Path("report.html").read_bytes()


def test_pictures_and_tables_come_without_a_page_unless_it_is_asked_for(clsim: CommandLine, run: Path) -> None:
    (run / "report.html").unlink()
    code, out, err = clsim("report", run, "--pictures", "p", "--format", "pdf", "--tables", "t")
    assert (code, err) == (0, "")
    assert not (run / "report.html").exists()
    assert {path.suffix for path in Path("p").iterdir()} == {".pdf"}
    assert {path.suffix for path in Path("t").iterdir()} == {".tex", ".md", ".csv"}
    assert sorted(out.split()) == sorted(str(path) for folder in "pt" for path in Path(folder).iterdir())
    assert clsim("report", run, "--tables", "t", "--out", "page.html").out.split()[0] == "page.html"


def test_the_page_is_opened_where_that_is_asked_for(
    clsim: CommandLine, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("typer.launch", opened.append)
    assert clsim("report", run).code == 0
    assert opened == []
    assert clsim("report", "run", "--open").code == 0
    assert opened == [(run / "report.html").as_uri()]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["absent"], "absent: there is no such run directory"),
        (["."], "it has no manifest.json"),
        (["run", "--out", "run"], "run: this is a directory, not a file"),
        (["run", "--tables", "run/results.json"], "this is a file, not a directory"),
        (["run", "--format", "png"], "png"),
        ([], "RUN"),
        (["damaged"], "damaged/results.json:1: not valid JSON"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(
    clsim: CommandLine, run: Path, arguments: list[str], says: str
) -> None:
    shutil.copytree(run, "damaged")
    Path("damaged/results.json").write_text("{")
    before = (run / "report.html").read_bytes()
    code, _, err = clsim("report", *arguments)
    assert code == 2
    assert says in err
    assert (run / "report.html").read_bytes() == before


def test_a_run_is_only_read(clsim: CommandLine, run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert clsim("report", run, "--out", "page.html", "--tables", "t").code == 0
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert json.loads((run / "results.json").read_text())["status"] == "complete"
