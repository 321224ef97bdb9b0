"""Runs that are killed at random points and resumed end as if nobody had killed them, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS, SEED = 9, 7
FEW = "evaluation.compatibility.images_per_class=3"
AMID = "{model: shapes_120, during: 1, after_iterations: 5}"
REPLACEMENTS = f"stream.replacements=[{{model: shapes_100, before: 0}}, {AMID}, {{model: shapes_144, before: 3}}]"
SCENARIOS = {
    "prompts": ("shapes_fscil", "stream.base_classes=10", "stream.ways=2", "stream.sessions=3", "strategy.epochs=2"),
    "few_shots": (
        "shapes_fscil",
        "strategy=stationary",
        "strategy.backbone=resnet8x2",
        "strategy.base_epochs=2",
        "strategy.few_shot_epochs=3",
        "stream.base_classes=20",
        "stream.sessions=3",
    ),
    "closed_form": ("shapes_fscil", "strategy=ranpac", "stream.base_classes=10", "stream.ways=2", "stream.sessions=4"),
    "joint": ("shapes_fscil", "strategy=joint", "stream.base_classes=10", "stream.ways=2", "stream.sessions=4"),
    "replacement": (
        "shapes_replacement",
        "strategy.epochs=2",
        "stream.base_classes=4",
        "stream.ways=4",
        "stream.sessions=3",
        REPLACEMENTS,
        FEW,
    ),
    "upgrade": ("shapes_upgrade", "strategy.epochs=2", "stream.classes=[4, 8, 10]", "stream.images_per_class=8", FEW),
    "text_upgrade": (
        "shapes_text_upgrade",
        "strategy.epochs=2",
        "strategy.text_steps=20",
        "strategy.batch_size=16",
        "stream.pairs=120",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost(name, capsys):
    scenario, *overrides = SCENARIOS[name]
    every = "checkpoints.iterations=3"
    command = [
        sys.executable,
        Path(__file__).parents[1] / "helpers" / "kills.py",
        scenario,
        str(SEED),
        str(KILLS),
        every,
        *overrides,
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    with capsys.disabled():  # on standard error, since a worker has no standard output
        print(f"\n{name}: {found['kills']} kills, seed {SEED}: {found}", file=sys.stderr)
    assert found["kills"] >= KILLS
    assert found["different"] == []
    assert found["amid"] + found["between"] > 0
