"""What a sweep ends in: what `clsim compare` says of its runs, and pages of them."""

import io
from pathlib import Path

import pytest
from helpers.handmade import maker
from helpers.read_page import Page
from helpers.workspace import make_workspace
from rich.console import Console

from clsim.report.compare import compare
from clsim.report.compare.printing import print_tables
from clsim.report.html import page as html
from clsim.sweep import conclude as concluding
from clsim.sweep.conclude import conclude, write_pages
from clsim.sweep.load import load_sweep
from clsim.sweep.state import Board
from clsim.sweep.watch import PlainWatcher

FILE = """\
scenario: test
strategies: [toy, floor]
seeds: [1, 2]
"""
GRID = f"{FILE}grid: {{strategies.toy.epochs: [3, 5]}}\n"
ROW = [0.9, 0.8, 0.7]


class Sweep:
    """Its runs are made by hand, but for those that are told not to be complete."""

    def __init__(self, root: Path, text: str) -> None:
        (root / "sweep.yaml").write_text(text)
        plan = load_sweep(root / "sweep.yaml")
        self.jobs = plan.jobs
        self.board = Board(root / "out", plan.sweep, PlainWatcher(io.StringIO()))
        self.board.add(plan.jobs)
        self.make = maker(root / "out")

    def left(self, job, **told):
        state = self.board.states[job.folder]
        state.standing = told.pop("standing", "complete")
        settings = {job.strategy: {"epochs": job.point.get("strategies.toy.epochs", 2)}}
        told["scenario"] = {"strategies": settings, **told.get("scenario", {})}
        accuracies = [*ROW[:2], 0.5 + job.scenario.seed / 10 + (0.1 if job.strategy == "toy" else 0)]
        return self.make(job.strategy, job.scenario.seed, accuracies, name=str(job.folder), **told)

    def end(self, jobs=None, *, chosen=False, terminal=False):
        console = Console(file=io.StringIO(), width=120, force_terminal=terminal, color_system=None)
        conclude(console, jobs or self.jobs, self.board, chosen=chosen)
        return console.file.getvalue()

    def pages(self, jobs=None, *, chosen=False):
        told = []
        write_pages(jobs or self.jobs, self.board, told.append, chosen=chosen)
        return told


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """`sweep(text)` is a sweep that has begun."""
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    made = []

    def begin(text=FILE):
        made.append(Sweep(tmp_path, text))
        return made[-1]

    yield begin
    for each in made:
        each.board.close()


def compared(paths, *, terminal=False):
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal, color_system=None)
    print_tables(compare(paths), console)
    return console.file.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_it_says_what_compare_says(sweep, terminal):
    made = sweep()
    paths = [made.left(job) for job in made.jobs]
    assert made.end(terminal=terminal).removeprefix("\n") == compared(paths, terminal=terminal)
    assert "toy - floor" in made.end()
    assert "p (flips)" in made.end()


def test_runs_that_are_not_complete_are_left_out_aloud(sweep):
    made = sweep()
    paths = [made.left(job) for job in made.jobs[:2]]
    made.left(made.jobs[2], standing="failed", status="failed")
    told = made.end()
    assert told == compared(paths) + "floor: 0 of 2 runs complete; missing: seed 1 (failed), seed 2 (waiting)\n"


def test_nothing_to_compare(sweep):
    assert sweep().end().splitlines() == [
        "toy: 0 of 2 runs complete; missing: seed 1 (waiting), seed 2 (waiting)",
        "floor: 0 of 2 runs complete; missing: seed 1 (waiting), seed 2 (waiting)",
    ]


def test_every_point_by_itself_with_what_has_none_in_each(sweep):
    made = sweep(GRID)
    paths = {job.folder: made.left(job) for job in made.jobs}
    floor = [paths[job.folder] for job in made.jobs if job.strategy == "floor"]
    wanted = ""
    for epochs in (3, 5):
        toy = [paths[job.folder] for job in made.jobs if job.point.get("strategies.toy.epochs") == epochs]
        wanted += f"with strategies.toy.epochs={epochs}\n" + compared([*toy, *floor])
    assert made.end() == wanted
    chosen = [job for job in made.jobs if job.point.get("strategies.toy.epochs") != 5]
    assert made.end(chosen, chosen=True) == compared([paths[job.folder] for job in chosen])


def test_chosen_points_of_two_streams_are_not_mixed(sweep):
    """What was chosen for each strategy may be a stream of its own."""
    made = sweep()
    paths = [made.left(job, scenario={"on_nan": "skip"} if job.strategy == "toy" else {}) for job in made.jobs]
    told = made.end(chosen=True)
    assert f"{paths[2]}: not of one experiment: scenario on_nan: stop here, skip in {paths[0]}" in told
    assert told.endswith(compared(paths[:2]) + compared(paths[2:]))
    assert "toy - floor" not in told


def test_runs_that_cannot_be_compared_at_all_end_no_sweep(sweep):
    made = sweep(FILE.replace("toy, floor", "toy"))
    paths = [made.left(job) for job in made.jobs]
    (paths[0] / "results.json").write_text("{")
    told = made.end().splitlines()
    assert told[0] == "these runs cannot be compared:"
    assert told[1].startswith(f"{paths[0] / 'results.json'}:1: not valid JSON")


def test_upgrades_have_their_table_too(sweep):
    text = "stream: {kind: upgrade, dataset: shapes, classes: [50, 100]}\nstrategy: toy\n"
    text += "evaluation: {compatibility: {images: stream, criterion: 'cmc@1'}}\n"
    Path("scenarios/up.yaml").write_text(text)
    made = sweep(FILE.replace("test", "up").replace("toy, floor", "toy"))
    for job in made.jobs:
        made.left(job, matrix=[[0.5], [0.55, 0.75], [0.5, 0.6, 0.8]])
    told = made.end()
    assert "cmc@1, new/old" in told
    assert "upgrade from version 1 to 2, by cmc@1\n" in told
    assert "compatible" in told


def test_a_page_of_every_scenario(sweep):
    made = sweep()
    for job in made.jobs[:3]:
        made.left(job)
    page = made.board.out / "test" / "report.html"
    assert made.pages() == [f"page: {page}"]
    found = Page(page.read_text(encoding="utf-8"))
    assert "test" in page.parent.name
    assert [row[1][0] for row in found.tables["all", "strategies"].rows[:2]] == ["toy", "floor"]
    assert "made: 3 runs" in found.text


def test_a_page_of_every_point(sweep):
    made = sweep(GRID)
    for job in made.jobs:
        made.left(job)
    pages = [made.board.out / "test" / f"report-epochs={epochs}.html" for epochs in (3, 5)]
    assert made.pages() == [f"page: {page}" for page in pages]
    for page in pages:
        assert ("all", "differences") in Page(page.read_text(encoding="utf-8")).tables


def test_no_page_is_no_failure(sweep, monkeypatch):
    made = sweep()
    assert made.pages() == []  # nothing has begun
    for job in made.jobs:
        made.left(job)
    monkeypatch.setattr(concluding, "MOST", 3)
    (told,) = made.pages()
    assert "not written for 4 runs; `clsim report RUN...` writes one for some of them" in told
    monkeypatch.setattr(concluding, "MOST", 100)
    monkeypatch.setattr(html, "write_page", lambda *_: 1 / 0)
    assert made.pages() == ["report.html could not be written: division by zero"]
    assert not list(made.board.out.rglob("report*.html"))
