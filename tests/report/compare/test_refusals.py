"""What is not averaged: damaged, unfinished or repeated runs, and runs of another experiment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.errors import refused
from helpers.handmade import Make

import clsim
from clsim.utils.errors import UserErrors

ROW = [0.9, 0.8, 0.7]
STREAM = {"kind": "fscil", "dataset": "shapes", "base_classes": 60, "ways": 5, "shots": 5, "sessions": 2}
DRAWN = {"stream": {**STREAM, "splits": "drawn"}}


def problems(paths: list[Path], **options: Any) -> list[str]:
    with pytest.raises(UserErrors) as caught:
        clsim.compare(paths, **options)
    return [str(error) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"scenario": {"stream": {**STREAM, "shots": 3}}}, "scenario stream.shots: 3 here, 5 in {first}"),
        ({"scenario": {"on_nan": "skip"}}, "scenario on_nan: skip here, stop in {first}"),
        ({"scenario": {"seeds": {"order": 3}}}, "scenario seeds.order: 3 here, nothing in {first}"),
        (
            {"scenario": {"strategies": {"ours": {"lr": 0.2}}}},
            "scenario strategies.ours.lr: 0.2 here, 0.1 in {first}",
        ),
        ({"hashes": {"train images": "f" * 64}}, f"hashes.train images: {'f' * 12} here, {'a' * 12} in {{first}}"),
        ({"hashes": {"test images": None}}, f"hashes.test images: nothing here, {'b' * 12} in {{first}}"),
        ({"hashes": {"split lists": "f" * 64}}, f"hashes.split lists: {'f' * 12} here, {'c' * 12} in {{first}}"),
        ({"hashes": {"strategy file": "f" * 64}}, f"hashes.strategy file: {'f' * 12} here, nothing in {{first}}"),
        ({"hashes": {"weights file x": "1"}}, "hashes.weights file x: 1 here, nothing in {first}"),
        ({"manifest": {"split_lists": {"s": "1"}}}, "split_lists.s: 1 here, nothing in {first}"),
        ({"manifest": {"clsim": "1.2.0"}}, "clsim: 1 here, 0.1 in {first}"),
        ({"manifest": {"clsim": "0.2.0"}}, "clsim: 0.2 here, 0.1 in {first}"),
    ],
)
def test_a_difference_is_named_with_both_runs(make: Make, told: dict[str, Any], says: str) -> None:
    first, second = make("ours", 1, ROW), make("ours", 2, ROW, **told)
    expected = f"{second}: not of one experiment: {says.format(first=first)}"
    assert problems([first, second, make("ours", 3, ROW, **told)]) == [expected]  # once, however many runs have it


@pytest.mark.parametrize(
    "told",
    [
        {"scenario": {"description": "other words"}},
        {"scenario": {"references": ["zero_shot"], "otherwise": "shapes_fscil", "checkpoints": {"minutes": 3}}},
        {"scenario": {"strategies": {"ours": {"lr": 0.1}, "theirs": {"epochs": 9}}}},
        {"manifest": {"clsim": "0.1.9"}},
    ],
)
def test_what_moves_no_figure_may_differ(make: Make, told: dict[str, Any]) -> None:
    assert clsim.compare([make("ours", 1, ROW), make("ours", 2, ROW, **told)]).strategies[0].seeds == [1, 2]


def test_strategies_have_their_own_settings_files_and_weights(make: Make) -> None:
    own = {"strategy file": "1" * 64, "pre-trained weights": "2" * 64}
    settings = {"strategies": {"theirs": {"lr": 0.5}}}
    paths = [make("ours", 1, ROW), make("theirs", 1, ROW, hashes=own, scenario=settings)]
    assert len(clsim.compare(paths).strategies) == 2
    other = make("theirs", 2, ROW, hashes={**own, "pre-trained weights": "3" * 64}, scenario=settings)
    assert [line.split(": ")[2] for line in problems([*paths, other])] == ["hashes.pre-trained weights"]


def test_drawn_splits_follow_the_seed_and_are_the_same_for_all_strategies(make: Make) -> None:
    paths = [
        make(name, seed, ROW, scenario=DRAWN, hashes={"split lists": str(seed) * 64})
        for name in ("ours", "theirs")
        for seed in (1, 2)
    ]
    assert len(clsim.compare(paths).strategies) == 2
    other = make("third", 2, ROW, scenario=DRAWN, hashes={"split lists": "1" * 64})
    (problem,) = problems([*paths, other])
    assert problem.endswith(f"hashes.split lists: {'1' * 12} here, {'2' * 12} in {paths[1]}")
    fixed = {**DRAWN, "seeds": {"shots": 7}}
    pair = [make("ours", seed, ROW, scenario=fixed, hashes={"split lists": str(seed) * 64}) for seed in (1, 2)]
    assert "split lists" in problems(pair)[0]


def test_random_weights_follow_the_seed(make: Make) -> None:
    def pair(recipe: dict[str, Any]) -> list[Path]:
        models = {"models": {"m": recipe}}
        return [make("ours", s, ROW, scenario=models, hashes={"replacement m": str(s) * 64}) for s in (1, 2)]

    clsim.compare(pair({"kind": "timm", "model": "resnet18", "pretrained": False}))
    assert "hashes.replacement m" in problems(pair({"kind": "timm", "model": "resnet18"}))[0]


HELD_OUT = {"share": 0.2, "seed": 0, "images": 80, "classes": 4}
ON_HELD_OUT = {"scenario": {"validation": {"share": 0.2}}, "validation": HELD_OUT}


@pytest.mark.parametrize("told", [ON_HELD_OUT, {"validation": HELD_OUT}, {"scenario": ON_HELD_OUT["scenario"]}])
def test_runs_on_held_out_training_images_and_on_test_images(make: Make, told: dict[str, Any]) -> None:
    first, second = make("ours", 1, ROW), make("theirs", 1, ROW, **told)
    what = "held-out training images (share 0.2, seed 0)"
    assert problems([first, second]) == [
        f"{second}: not of one experiment: measured on: {what} here, test images in {first}"
    ]
    assert problems([second, first]) == [
        f"{first}: not of one experiment: measured on: test images here, {what} in {second}"
    ]


def test_runs_of_one_kind_whose_held_out_images_differ(make: Make) -> None:
    other = {"scenario": {"validation": {"share": 0.2, "seed": 1}}, "validation": {**HELD_OUT, "seed": 1}}
    (problem,) = problems([make("ours", 1, ROW, **ON_HELD_OUT), make("ours", 2, ROW, **other)])
    assert "measured on: held-out training images (share 0.2, seed 1) here" in problem


def test_runs_on_held_out_images_have_no_published_row_beside_them(make: Make) -> None:
    rows = {"published": {"ours": {"accuracy": [0.95, 0.85, 0.75], "source": "a paper"}}}
    told = {**ON_HELD_OUT, "scenario": {**rows, **ON_HELD_OUT["scenario"]}}
    found = clsim.compare([make("ours", seed, ROW, **told) for seed in (1, 2)])
    assert found.published == {}
    assert found.to_dict()["validation"] == HELD_OUT
    assert found.notes == [
        "Evaluated on 80 training images of 4 classes that were held out (share 0.2, seed 0): "
        "no figure here is a test result.",
        "published figures are of test images and omitted",
    ]
    assert found.gap(found.strategies[0], "final_accuracy") is None


def test_one_seed_twice(make: Make) -> None:
    first, second = make("ours", 1, ROW), make("ours", 1, ROW)
    fix = "\n  name one of them, or use the last one with --latest"
    assert problems([first, second]) == [f"{second}: ours with seed 1 is also in {first}{fix}"]
    assert problems([first, first]) == [f"{first}: ours with seed 1 is also in {first}{fix}"]
    other = make("ours", 1, ROW, scenario={"strategies": {"ours": {"lr": 0.2}}})
    assert problems([first, second, other]) == [
        f"{other}: not of one experiment: scenario strategies.ours.lr: 0.2 here, 0.1 in {first}"
    ]


def test_runs_that_are_not_complete(make: Make) -> None:
    whole, broken = make("ours", 1, ROW), make("ours", 2, ROW[:2], status="interrupted")
    (problem,) = problems([whole, broken])
    assert problem.startswith(f"{broken}: this run is not complete (interrupted, 2 sessions ended)")
    found = clsim.compare([whole, broken], incomplete=True)
    spreads = found.strategies[0].spreads
    assert spreads["final_accuracy"].n == 1  # what it has after session 1 is no final accuracy
    assert [spreads[f"accuracy.{session}"].n for session in range(3)] == [2, 2, 1]
    assert found.notes[0].startswith("ours, seed 2: interrupted after 2 sessions")


def test_every_damaged_run_is_told_with_its_place(make: Make, tmp_path: Path) -> None:
    paths = [make("ours", seed, ROW) for seed in range(1, 8)]
    (paths[0] / "results.json").write_text("{")
    (paths[1] / "manifest.json").unlink()
    (paths[2] / "results.json").unlink()
    (paths[3] / "scenario.yaml").write_text("stream: [")
    (paths[4] / "results.json").write_text((paths[4] / "results.json").read_text().replace("0.9", "1.9"))
    (paths[5] / "manifest.json").write_text((paths[5] / "manifest.json").read_text().replace('"seed": 6', '"seed": 7'))
    text = "\n".join(problems([*paths, tmp_path / "nowhere"]))
    for place in (
        f"{paths[0] / 'results.json'}:1: not valid JSON",
        f"{paths[1]}: this is no run directory",
        f"{paths[2] / 'results.json'}: there are no results",
        f"{paths[3] / 'scenario.yaml'}:1: not valid YAML",
        f"{paths[4] / 'results.json'}: ",
        f"{paths[5] / 'results.json'}: the seed is 6 here and 7 in manifest.json",
        f"{tmp_path / 'nowhere'}: there is no such run directory",
    ):
        assert place in text


def test_files_that_the_run_did_not_leave(make: Make) -> None:
    path = make("ours", 1, ROW, manifest={"files": {"results.json": "0" * 64}})
    (problem,) = problems([path])
    assert problem.startswith(f"{path / 'results.json'}: this file was changed after the run")
    path = make("ours", 1, ROW, hashes={"scenario file": "0" * 64})
    (path / "scenario.yaml").unlink()
    (problem,) = problems([path])
    assert problem.startswith(f"{path / 'scenario.yaml'}: this file of the run is missing")


def test_runs_composed_in_python(make: Make) -> None:
    paths = [make("Strategy", seed, ROW) for seed in (1, 2)]
    for path in paths:
        (path / "scenario.yaml").unlink()
    assert "composed in Python" in clsim.compare(paths).notes[0]
    assert "not of one experiment: scenario" in problems([*paths, make("ours", 1, ROW)])[0]


def test_nothing_to_compare() -> None:
    with refused(names=("no runs",)):
        clsim.compare([])


def test_circumstances_are_said(make: Make) -> None:
    told = {"clsim": "0.1.3", "device": "cuda:0", "packages": {"torch": "2.7"}}
    paths = [make("ours", 1, ROW), make("ours", 2, ROW, manifest=told, hashes={"clsim source": "e" * 64})]
    assert clsim.compare(paths).notes == [
        "not the same in all runs: versions of clsim (0.1.0, 0.1.3)",
        f"not the same in all runs: source of clsim ({'d' * 12}, {'e' * 12})",
        "not the same in all runs: versions of torch (2.6, 2.7)",
        "not the same in all runs: kinds of device (cpu, cuda)",
    ]


def test_no_torch(two: list[Path]) -> None:
    import subprocess
    import sys

    program = "import sys, clsim; clsim.compare(sys.argv[1:]); print({'torch', 'avalanche'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program, *map(str, two)], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert json.loads((two[0] / "results.json").read_text())["seed"] == 1


def test_the_latest_complete_run_of_each_seed(make: Make) -> None:
    runs = [
        make("ours", 1, ROW, name="first", manifest={"started": "2026-01-01T00:00:00+00:00"}),
        make("ours", 1, [0.9, 0.8, 0.6], name="second", manifest={"started": "2026-01-03T00:00:00+00:00"}),
        make("ours", 1, ROW, name="third", status="failed", manifest={"started": "2026-01-04T00:00:00+00:00"}),
        make("ours", 2, ROW, name="other", manifest={"started": "2026-01-02T00:00:00+00:00"}),
    ]
    (strategy,) = clsim.compare(runs, latest=True).strategies
    assert strategy.figures["final_accuracy"] == {1: 0.6, 2: 0.7}
    assert clsim.compare(runs[::-1], latest=True).strategies[0].figures["final_accuracy"] == {1: 0.6, 2: 0.7}
    assert len(problems(runs)) > 0


def test_a_metric_more_moves_no_figure_but_another_file_of_its_name_does(make: Make) -> None:
    asked = {"evaluation": {"metrics": ["mine.py"]}}
    one, other = {"metric mine.py": "1" * 64}, {"metric mine.py": "2" * 64}
    runs = [make("ours", 1, ROW), make("ours", 2, ROW, scenario=asked, hashes=one)]
    assert clsim.compare(runs).strategies[0].seeds == [1, 2]
    altered = make("ours", 3, ROW, scenario=asked, hashes=other)
    values = f"{'2' * 12} here, {'1' * 12} in {runs[1]}"
    assert problems([*runs, altered]) == [f"{altered}: not of one experiment: hashes.metric mine.py: {values}"]


def test_other_experiments_are_told_in_part(make: Make) -> None:
    hashes = {f"weights file {number}": "1" for number in range(20)}
    first, second = make("ours", 1, ROW), make("ours", 2, ROW, hashes=hashes)
    told = problems([first, second])
    assert len(told) == 11
    assert told[-1] == "and 10 further differences: these are different experiments"
