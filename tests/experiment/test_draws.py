"""The few-shot sessions on several draws: each equals a run of its own; kills, resuming, verification, comparison."""

import json
from statistics import fmean, stdev

import pytest
import yaml
from helpers.errors import refused
from helpers.kills import without_times
from helpers.listening import Heard
from helpers.tiny import save_tiny_clip, tiny_dataset
from scipy import stats

from clsim.config import load_scenario
from clsim.experiment import draws as drawing
from clsim.experiment import resolve as resolving
from clsim.experiment.build import prepare
from clsim.experiment.events import DrawEnded
from clsim.experiment.runner import simulate
from clsim.report.compare import compare
from clsim.report.compare.tables import costs_table, draw_differences_table, draws_table
from clsim.results.results import Results
from clsim.utils.errors import RunFailed
from clsim.verify import verify

FEW = {"backbone": "resnet8x2", "epochs": 2, "base_epochs": 1, "batch_size": 3, "base_batch_size": 16}
STREAM = {"kind": "fscil", "dataset": "cifar10", "base_classes": 4, "ways": 3, "shots": 2, "splits": {"draw": 1}}
STRATEGIES = {
    "fine_tune": FEW,
    "stationary": {
        "backbone": "resnet8x2",
        "vertices": 12,
        "base_epochs": 1,
        "base_batch_size": 16,
        "few_shot_epochs": 2,
        "precision": "fp32",
    },
}


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    """Writes a scenario on tiny images and loads it with changes."""
    monkeypatch.setattr(resolving, "load_dataset", lambda name, *, image_size: tiny_dataset())
    clip = {"pretrained": save_tiny_clip(tmp_path / "clip.safetensors"), "depth": 2, "epochs": 2, "base_epochs": 1}
    path = tmp_path / "few.yaml"
    content = {"stream": STREAM, "strategy": "fine_tune", "strategies": {**STRATEGIES, "cpe_clip": clip}, "seed": 3}
    path.write_text(yaml.safe_dump(content))
    return lambda strategy="fine_tune", **changes: load_scenario(
        path, {key.replace("__", "."): value for key, value in changes.items()}, strategy=strategy
    )


def run(loaded, out, **how):
    return simulate(prepare(loaded, None, None, None, "cpu", True), out=out, **how).to_dict()


def read(path):
    return json.loads(path.read_text())


def alike(results):
    return {key: value for key, value in without_times(results).items() if key != "draws"}


@pytest.mark.parametrize("strategy", [*STRATEGIES, "cpe_clip"])
def test_a_draw_equals_a_run_of_its_own_bit_for_bit(scenario, tmp_path, strategy):
    loaded = scenario(strategy, draws=2)
    whole = run(loaded, tmp_path / "whole")
    assert alike(whole) == alike(run(scenario(strategy), tmp_path / "plain"))
    for number, seed in enumerate(loaded.draw_seeds, start=1):
        draw = read(tmp_path / "whole" / "draws" / f"{number:02d}" / "results.json")
        alone = run(scenario(strategy, stream__splits={"draw": seed}), tmp_path / f"alone{number}")
        assert without_times(draw) == without_times(alone)
        assert draw["sessions"][0] == whole["sessions"][0]
        mine, theirs = (
            read(path / "manifest.json") for path in (draw_of(tmp_path, number), tmp_path / f"alone{number}")
        )
        assert mine["hashes"] == theirs["hashes"]
        assert mine["draw"] == {"number": number, "seed": seed}


def draw_of(tmp_path, number):
    return tmp_path / "whole" / "draws" / f"{number:02d}"


def test_mean_deviation_and_interval_are_those_of_the_draws(scenario, tmp_path):
    heard = Heard()
    results = run(scenario(draws=4), tmp_path / "whole", listeners=[heard])
    draws = [read(draw_of(tmp_path, number) / "results.json") for number in range(1, 5)]
    finals = [draw["summary"]["final_accuracy"] for draw in draws]
    assert len(set(finals)) > 1
    found = results["draws"]["figures"]["final_accuracy"]
    half = stats.t.ppf(0.975, 3) * stdev(finals) / 4**0.5
    assert found["values"] == finals
    assert found["mean"] == pytest.approx(fmean(finals))
    assert found["deviation"] == pytest.approx(stdev(finals))
    assert found["interval"] == pytest.approx([fmean(finals) - half, fmean(finals) + half])
    assert found["n"] == 4
    assert "accuracy.0" not in results["draws"]["figures"]
    assert results["draws"]["figures"]["accuracy.1"]["values"] == [draw["sessions"][1]["accuracy"] for draw in draws]
    assert [event.number for event in heard.events if isinstance(event, DrawEnded)] == [1, 2, 3, 4]
    assert Results.read(tmp_path / "whole").to_dict() == read(tmp_path / "whole" / "results.json")


def test_a_killed_run_keeps_the_draws_that_are_done(scenario, tmp_path, monkeypatch):
    loaded, repeat, begun = scenario("stationary", draws=3), drawing._repeat, []
    whole = run(loaded, tmp_path / "whole")

    def stop_at_second(*args):
        begun.append(args[1])
        if len(begun) == 2:
            raise KeyboardInterrupt
        return repeat(*args)

    monkeypatch.setattr(drawing, "_repeat", stop_at_second)
    with pytest.raises(KeyboardInterrupt):
        run(loaded, tmp_path / "cut")
    left = read(tmp_path / "cut" / "results.json")
    assert left["status"] == "interrupted"
    assert "draws" not in left
    assert (tmp_path / "cut" / "checkpoints" / "session0000-done.json").exists()
    resumed = run(loaded, tmp_path / "cut", resume=True)
    assert begun == [1, 2, 2, 3]
    assert without_times(resumed) == without_times(whole)
    assert not (tmp_path / "cut" / "checkpoints" / "session0000-done.json").exists()


def test_a_damaged_base_checkpoint_ends_the_run_and_is_named(scenario, tmp_path, monkeypatch):
    def damage(run, checkpoints):
        (tmp_path / "run" / "checkpoints" / "session0000-done.safetensors").write_bytes(b"no tensors")
        drawing.run_draws(run, checkpoints)

    monkeypatch.setattr("clsim.experiment.runner.run_draws", damage)
    with refused(RunFailed, names=["base session"]):
        run(scenario(draws=2), tmp_path / "run")
    assert read(tmp_path / "run" / "results.json")["status"] == "failed"


def test_verification_notices_a_draw_that_was_changed(scenario, tmp_path):
    run(scenario(draws=2), tmp_path / "whole")
    for path in (tmp_path / "whole", draw_of(tmp_path, 1), draw_of(tmp_path, 2)):
        assert not verify(path).differs, [check for check in verify(path).checks if check.verdict == "DIFFERS"]
    file = tmp_path / "whole" / "results.json"
    results = read(file)
    results["draws"]["figures"]["final_accuracy"]["values"][0] += 0.01
    file.write_text(json.dumps(results))
    assert "figures over draws" in {
        check.what for check in verify(tmp_path / "whole").checks if check.verdict == "DIFFERS"
    }


def test_strategies_are_compared_on_common_draws(scenario, tmp_path):
    for strategy in ("fine_tune", "stationary"):
        run(scenario(strategy, draws=3), tmp_path / strategy)
    found = compare([tmp_path / "fine_tune", tmp_path / "stationary"])
    values = {
        name: read(tmp_path / name / "results.json")["draws"]["figures"]["final_accuracy"]["values"]
        for name in ("fine_tune", "stationary")
    }
    (pair,) = found.pairs_over_draws
    gaps = [a - b for a, b in zip(values["fine_tune"], values["stationary"], strict=True)]
    assert pair.figures["final_accuracy"].mean == pytest.approx(fmean(gaps))
    assert pair.figures["final_accuracy"].n == 3
    assert found.repeated["stationary"]["final_accuracy"].spread.mean == pytest.approx(fmean(values["stationary"]))
    assert draws_table(found).rows
    assert draw_differences_table(found).rows
    costs = dict(zip(costs_table(found).headings, costs_table(found).rows[0], strict=True))
    sessions = read(tmp_path / "fine_tune" / "results.json")["sessions"]
    assert costs["optimization steps"].value == sum(record["iterations"] for record in sessions)
    assert costs["training FLOPs"].value == sum(record["train_flops"] for record in sessions) > 0
    assert not set(found.costs) & {key for pair in found.pairs for key in pair.figures}
    assert found.to_dict()["draws"]["strategies"]["stationary"]["final_accuracy"]["draws"] == 3


@pytest.mark.parametrize("strategy", ["lwf", "feature_distillation"])
def test_a_strategy_whose_state_cannot_be_stored_has_no_draws(scenario, tmp_path, strategy):
    few = {f"strategy__{key}": value for key, value in FEW.items()}
    with refused(where="draws", names=["checkpoint"]):
        run(scenario(strategy, draws=2, **few), tmp_path / "run")
    assert len(read(tmp_path / "run" / "results.json")["sessions"]) < 2


def test_draws_on_held_out_images_use_no_test_image(scenario, tmp_path):
    held = {"validation__share": 0.2, "validation__seed": 5}
    loaded = scenario(draws=2, **held)
    run(loaded, tmp_path / "whole")
    for number, seed in enumerate(loaded.draw_seeds, start=1):
        alone = run(scenario(stream__splits={"draw": seed}, **held), tmp_path / f"alone{number}")
        assert without_times(read(draw_of(tmp_path, number) / "results.json")) == without_times(alone)


def test_draws_of_other_seeds_are_others(scenario):
    loaded = scenario(draws=3)
    assert len({*loaded.draw_seeds, *loaded.with_seed(4).draw_seeds}) == 6
    assert scenario(draws=5).draw_seeds[:3] == loaded.draw_seeds
    assert scenario("stationary", draws=3).draw_seeds == loaded.draw_seeds
    assert scenario(draws=3, seeds__shots=8).with_seed(4).draw_seeds == scenario(draws=3, seeds__shots=8).draw_seeds
