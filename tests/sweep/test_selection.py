"""The choice of a point: by held-out training images, and by nothing else."""

import json
from pathlib import Path

import pytest
import torch
from helpers.sweeping import Workspace
from helpers.workspace import make_workspace
from PIL import Image

from clsim.sweep.load import load_sweep
from clsim.sweep.selection import choose, chosen_jobs
from clsim.sweep.state import Board
from clsim.sweep.watch import PlainWatcher

FILE = """\
scenario: test
strategies: [toy, floor]
seeds: [1]
grid: {strategies.toy.epochs: [3, 5, 7]}
choose: {by: final_accuracy, seeds: [1, 2]}
"""


@pytest.fixture
def decided(tmp_path, monkeypatch, capsys):
    """A function that says which epochs are chosen where the trials have these figures."""
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)

    def decide(figures, text=FILE):
        Path("sweep.yaml").write_text(text)
        plan = load_sweep("sweep.yaml")
        import sys

        board = Board(tmp_path / "out", plan.sweep, PlainWatcher(sys.stdout))
        try:
            board.add(plan.trials)
            for job in plan.trials:
                value = figures[job.point["strategies.toy.epochs"]][job.scenario.seed - 1]
                if value is None:
                    continue
                board.states[job.folder].standing = "complete"
                run = board.out / job.folder
                run.mkdir(parents=True, exist_ok=True)
                sessions = [
                    {"session": 0, "accuracy": 1.0, "accuracy_by_session": [1.0]},
                    {"session": 1, "accuracy": value, "accuracy_by_session": [value, value]},
                ]
                content = {
                    "scenario": "test",
                    "strategy": "toy",
                    "seed": 1,
                    "status": "complete",
                    "stands_in_for": None,
                    "sessions": sessions,
                    "summary": {"average_forgetting": 1 - value},
                    "accuracy_matrix": [[1.0], [value, value]],
                    "test_images": [4, 4],
                }
                (run / "results.json").write_text(json.dumps(content))
            choices = choose(plan.trials, board, plan.sweep.choose)
            return [job.name for job in chosen_jobs(plan.jobs, choices)], choices
        finally:
            board.close()

    return decide


@pytest.mark.parametrize(
    ("figures", "epochs"),
    [
        ({3: (0.1, 0.4), 5: (0.3, 0.3), 7: (0.2, 0.2)}, 5),
        ({3: (0.1, 0.4), 5: (0.1, 0.1), 7: (0.2, 0.2)}, 3),
        ({3: (0.3, 0.3), 5: (0.3, 0.3), 7: (0.2, 0.2)}, 3),
        ({3: (0.3, 0.3), 5: (0.9, None), 7: (0.2, 0.2)}, 3),
    ],
)
def test_the_best_mean_of_those_that_are_complete(decided, figures, epochs):
    runs, _ = decided(figures)
    assert runs == [f"test/toy/epochs={epochs}/seed1", "test/floor/as_it_is/seed1"]


def test_the_least_where_that_is_the_best(decided):
    figures = {3: (0.3, 0.3), 5: (0.1, 0.2), 7: (0.2, 0.2)}
    runs, choices = decided(figures, FILE.replace("by:", "maximise: false, by:"))
    assert runs[0] == "test/toy/epochs=5/seed1"
    assert choices[0].to_dict("final_accuracy")["changes"] == {"strategies.toy.epochs": 5}
    assert [tried["value"] for tried in choices[0].to_dict("")["tried"]] == pytest.approx([0.3, 0.15, 0.2])


@pytest.mark.parametrize("by", ["performance_drop", "average_forgetting"])
def test_of_what_is_lost_the_least_is_the_best_unless_told_otherwise(decided, by):
    """From 1.0 in the first session to 0.3, 0.15 and 0.2: all of what was known is lost at once."""
    figures = {3: (0.3, 0.3), 5: (0.1, 0.2), 7: (0.2, 0.2)}
    text = FILE.replace("by: final_accuracy", f"by: {by}")
    runs, choices = decided(figures, text)
    assert [tried["value"] for tried in choices[0].to_dict("")["tried"]] == pytest.approx([0.7, 0.85, 0.8])
    assert runs[0] == "test/toy/epochs=3/seed1"
    runs, _ = decided(figures, text.replace("by:", "maximise: true, by:"))
    assert runs[0] == "test/toy/epochs=5/seed1"


def test_nothing_to_choose_from(decided):
    runs, choices = decided({3: (None, 1), 5: (None, None), 7: (0.5, None)})
    assert runs == ["test/floor/as_it_is/seed1"]
    assert "no point can be chosen" in choices[0].sentences("final_accuracy")[-1]


def noise(folder: Path) -> None:
    generator = torch.Generator().manual_seed(3)
    for path in folder.rglob("*.png"):
        Image.fromarray(torch.randint(0, 256, (8, 8, 3), generator=generator, dtype=torch.uint8).numpy()).save(path)


@pytest.mark.slow
def test_test_images_have_no_say(tmp_path, monkeypatch, capsys):
    """The choice and its figures are the same where all test images are noise; what is then tested is not."""
    workspace = Workspace(tmp_path, monkeypatch, capsys)
    path = workspace.write(
        strategies=["steady"],
        grid={"strategy.lr": [1e-6, 0.05]},
        choose={"share": 0.34},
        overrides={"strategy.epochs": 30, "stream.sessions": 0},
    )
    found = []
    for out in ("before", "after"):
        said = workspace.clsim("sweep", path, "--out", out)
        assert said.code == 0, said.err
        runs = json.loads((tmp_path / out / "runs.json").read_text())
        trial = tmp_path / out / "things/steady/lr=0.05/validation-seed1"
        results = json.loads((trial / "results.json").read_text())
        assert results["validation"] == {"share": 0.34, "seed": 0, "images": 8, "classes": 4}
        (tested,) = tmp_path.glob(f"{out}/things/steady/*/seed1/results.json")  # of the chosen point only
        test = json.loads(tested.read_text())
        assert test["validation"] is None
        found.append((runs["chosen"], results["accuracy_matrix"], test["accuracy_matrix"]))
        assert "<- chosen" in said.out
        noise(workspace.world.data / "test")
    (one, other) = found[0][0][0]["tried"]
    assert one["value"] != other["value"]
    assert found[0][:2] == found[1][:2]
    assert found[0][2] != found[1][2]
