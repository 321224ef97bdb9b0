"""How a sweep is watched."""

import io
import json
from pathlib import Path

import pytest
from helpers.workspace import make_workspace
from rich.console import Console

from clsim.sweep.load import load_sweep
from clsim.sweep.state import Board
from clsim.sweep.watch import JsonWatcher, LiveWatcher, PlainWatcher, make_watcher, table, tally

FILE = """\
scenario: test
strategies: [toy, floor]
seeds: [1, 2]
grid: {strategies.toy.epochs: [3, 5]}
"""


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def board(tmp_path, monkeypatch):
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "xterm")
    Path("sweep.yaml").write_text(FILE)

    def make(watcher):
        plan = load_sweep("sweep.yaml")
        board = Board(tmp_path / "out", plan.sweep, watcher)
        board.add(plan.jobs)
        watcher.begun(board, "2 at once")
        return board, board.of(plan.jobs), plan.jobs

    return make


def session(board, state, accuracy):
    run = board.out / state.job.folder
    run.mkdir(parents=True, exist_ok=True)
    with (run / "sessions.jsonl").open("a") as file:
        file.write(json.dumps({"session": 0, "accuracy": accuracy}) + "\n")


def happen(board, states):
    """One run goes on, one fails, one is complete."""
    for state in states[:3]:
        board.begin(state)
    session(board, states[0], 0.25)
    board.look(states[:3])
    board.look(states[:3])
    states[1].attempts = 3
    board.end(states[1], "failed", "out of memory")
    session(board, states[2], 0.75)
    board.end(states[2], "complete")


def test_plain_lines(board):
    out = io.StringIO()
    made, states, _ = board(PlainWatcher(out))
    happen(made, states)
    lines = [line.replace(" in 0.0 s", " in") for line in out.getvalue().splitlines()]
    assert lines[0] == "clsim: 6 runs; 2 at once"
    assert lines[2:] == [
        "[0 of 6] test/toy/epochs=3/seed1: starts",
        "[0 of 6] test/toy/epochs=3/seed2: starts",
        "[0 of 6] test/toy/epochs=5/seed1: starts",
        "[0 of 6] test/toy/epochs=3/seed1: session 1 of 9, accuracy 25.00%",
        "[0 of 6] test/toy/epochs=3/seed2: failed (3rd attempt), in: out of memory",
        "[1 of 6] test/toy/epochs=5/seed1: complete, accuracy 75.00%, in",
    ]
    assert tally(made) == "1 running, 1 failed, 3 waiting, 1 complete"


def test_objects(board):
    out, errors = io.StringIO(), io.StringIO()
    watcher = JsonWatcher(out, errors)
    made, states, _ = board(watcher)
    happen(made, states)
    watcher.note("something")
    assert json.loads(out.getvalue().splitlines()[-1])["state"] == "complete"
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert events[0]["runs"] == 6
    assert [event["state"] for event in events[1:]] == ["running"] * 4 + ["failed", "complete"]
    runs = json.loads((made.out / "runs.json").read_text())["runs"]
    assert runs[2] == {key: value for key, value in events[-1].items() if key != "event"}
    assert errors.getvalue() == "something\n"


def test_the_end(board):
    out, plain = io.StringIO(), io.StringIO()
    watcher = JsonWatcher(out, io.StringIO())
    made, _, _ = board(watcher)
    watcher.ended(made)
    PlainWatcher(plain).ended(made)
    end = json.loads(out.getvalue().splitlines()[-1])
    assert (end["event"], end["chosen"], len(end["runs"])) == ("sweep_ended", [], 6)
    assert plain.getvalue() == f"6 waiting; files: {made.out}\n"


def test_a_terminal(board):
    out = Terminal()
    watcher = make_watcher("auto", out)
    assert isinstance(watcher, LiveWatcher)
    made, states, _ = board(watcher)
    happen(made, states)
    watcher.close()
    watcher.close()
    assert out.getvalue().endswith("\x1b[?25h")
    assert "complete" in out.getvalue()
    console = Console(file=io.StringIO(), width=120)
    console.print(table(made, 3))
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert [line.split()[:2] for line in lines[1:3]] == [
        ["test/toy/epochs=3/seed1", "running"],
        ["test/toy/epochs=3/seed2", "failed"],
    ]
    assert lines[3].startswith("and 4 runs more: ")
    console = Console(file=io.StringIO(), width=120)
    console.print(table(made, 30))
    assert len(console.file.getvalue().splitlines()) == 7
