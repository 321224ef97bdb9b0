"""The engine of one machine, with processes that end as they are told to."""

import json
from pathlib import Path

import pytest
from helpers.workspace import make_workspace

import clsim.sweep.local as local
from clsim.sweep.load import load_sweep
from clsim.sweep.local import LocalEngine
from clsim.sweep.process import why
from clsim.sweep.schema import Sweep
from clsim.sweep.slots import Place
from clsim.sweep.state import Board
from clsim.utils.signals import Interruption


class Told:
    """Watches, and keeps what it is told."""

    def __init__(self):
        self.lines = []

    def begun(self, board, how):
        pass

    def changed(self, state):
        self.lines.append((state.job.name, state.standing))

    def note(self, text):
        self.lines.append(text)

    def ended(self, board):
        pass

    def close(self):
        pass


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A board of three runs, and processes that end with the codes given for each."""
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local, "PAUSE", 0.001)
    Path("sweep.yaml").write_text("scenario: test\nseeds: [1, 2, 3]\n")
    plan = load_sweep("sweep.yaml")

    class World:
        def __init__(self):
            self.board = Board(tmp_path / "out", plan.sweep, Told())
            self.codes, self.started, self.stops = {}, [], []
            self.most = self.alive = 0
            self.interruption = Interruption()

        def run(self, places=2, retries=2):
            self.board.add(plan.jobs)
            engine = LocalEngine([Place(1)] * places, "cpu", retries)
            engine.run(self.board.of(plan.jobs), self.board, self.interruption)
            runs = json.loads((tmp_path / "out/runs.json").read_text())["runs"]
            return {int(entry["run"][-1]): (entry["state"], entry["attempts"]) for entry in runs}

    world = World()

    class Child:
        def __init__(self, words):
            self.seed, self.looks, self.code = int(words[words.index("--seed") + 1]), 0, None
            self.run = Path(words[words.index("--out") + 1])
            world.started.append(self.seed)
            world.alive += 1
            world.most = max(world.most, world.alive)

        def poll(self):
            self.looks += 1
            if self.code is None and self.looks > 3:
                self.leave(world.codes.get(self.seed, [0]).pop(0))
            return self.code

        def leave(self, code):
            self.code = code
            world.alive -= 1
            if code == 0:
                self.run.mkdir(parents=True)
                (self.run / "results.json").write_text('{"status": "complete"}')
                (self.run / "manifest.json").write_text('{"files": {}}')

        def stop(self):
            world.stops.append(self.seed)
            if self.code is None:
                self.leave(130)

        def end(self):
            self.stop()

    class Launcher:
        def __init__(self, environment):
            pass

        def start(self, words, log, folder):
            return Child(words)

    monkeypatch.setattr(local, "Launcher", Launcher)
    return world


def test_all_complete_and_no_more_at_once_than_there_is_room_for(world):
    assert world.run() == {1: ("complete", 1), 2: ("complete", 1), 3: ("complete", 1)}
    assert (world.most, world.started) == (2, [1, 2, 3])


def test_complete_runs_are_left_alone(world):
    world.run()
    world.started.clear()
    assert {standing for standing, _ in world.run().values()} == {"complete"}
    assert world.started == []


def test_what_dies_or_fails_is_taken_up_again_so_often(world):
    world.codes = {1: [-9, 1, 0], 2: [1, 1, 1, 0], 3: [2, 0]}
    assert world.run() == {1: ("complete", 3), 2: ("failed", 3), 3: ("failed", 1)}
    assert world.stops == []


def test_a_run_that_somebody_else_interrupted_goes_on(world):
    world.codes = {1: [130, 0], 2: [130, 130, 130]}
    found = world.run()
    assert (found[1], found[2]) == (("complete", 2), ("interrupted", 3))


def test_a_process_that_says_it_is_done_and_leaves_nothing(world):
    world.codes = {1: [0]}
    real = local.is_complete
    local.is_complete = lambda run: "seed1" not in run.name and real(run)
    try:
        found = world.run()
    finally:
        local.is_complete = real
    assert (found[1], found[2]) == (("failed", 1), ("complete", 1))


def test_who_is_asked_to_stop_starts_nothing_more_and_stops_each_once(world, monkeypatch):
    monkeypatch.setattr(world.interruption, "requested", False)
    begin = Board.begin

    def then_stop(self, state):
        begin(self, state)
        world.interruption.requested = len(world.started) >= 1

    monkeypatch.setattr(Board, "begin", then_stop)
    assert world.run() == {1: ("interrupted", 1), 2: ("interrupted", 1), 3: ("waiting", 0)}
    assert world.stops == [1, 2]


def test_who_is_asked_twice_leaves_none_behind(world, monkeypatch):
    def signal(self, states):
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "NEWS", 0)
    monkeypatch.setattr(Board, "look", signal)
    with pytest.raises(KeyboardInterrupt):
        world.run()
    assert world.alive == 0


def test_a_directory_of_another_run_is_refused_before_anything_starts(world):
    run = world.board.out / "test/toy/as_it_is/seed2"
    run.mkdir(parents=True)
    scenario = load_sweep("sweep.yaml").jobs[1].scenario
    (run / "scenario.yaml").write_text(scenario.to_yaml().replace("shots: 5", "shots: 4"))
    with pytest.raises(Exception, match=r"of something else is here: scenario stream.shots: 4 -> 5"):
        world.run()
    assert world.started == []


def test_two_sweeps_and_one_directory(world):
    with pytest.raises(Exception, match="another sweep is writing to this directory"):
        Board(world.board.out, Sweep(scenario="x"), Told())
    world.board.close()
    Board(world.board.out, Sweep(scenario="x"), Told()).close()


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        (1, "$ clsim run\nclsim: out of memory\n  make it smaller\n", "out of memory"),
        (1, "$ clsim run\nsome\nlast words\n", "last words"),
        (-9, "anything", "ended by SIGKILL"),
        (1, "$ clsim run\n", "no output"),
        (0, "complete in 3 s\n", "it left no complete run"),
    ],
)
def test_why(tmp_path, code, said, expected):
    (tmp_path / "log").write_text(said)
    assert why(code, tmp_path / "log") == expected
