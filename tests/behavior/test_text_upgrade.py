"""Streams of image-text models from the command line to the files: a small scenario, and a user's mistakes in it."""

import csv
import json
from pathlib import Path

import pytest
import torch
from helpers.seeded import Seen, same_batches
from helpers.tiny import save_tiny_clip, tiny_captions
from PIL import Image
from safetensors.torch import load_file

import clsim
from clsim.config import load_scenario
from clsim.config.discovery import find_strategy
from clsim.config.user_code import load_strategy
from clsim.experiment import resolve as preparing
from clsim.experiment.build import prepare
from clsim.experiment.runner import simulate
from clsim.metrics.pair_tests import DIRECTIONS, PairTests, recompute_pairs
from clsim.models import ImageTextModel, load_clip
from clsim.models.replacement_model import ReplacementClip
from clsim.plugins import ClipUpgrade
from clsim.streams import text_upgrade
from clsim.training import Strategy
from clsim.utils.errors import UserError

SCENARIO = """\
stream: {{kind: text_upgrade, dataset: "captions:{data}/pictures.csv", load: [small, large, small], pairs: 6}}
strategy: xbt
strategies:
  xbt: {{epochs: 1, hidden: 4, text_steps: 2, rank: 1, prompt_tokens: 1, batch_size: 4}}
models:
  small: {{kind: checkpoint, path: "{root}/small.safetensors"}}
  large: {{kind: checkpoint, path: "{root}/large.safetensors"}}
  timm: {{kind: timm, name: resnet18, weights: none}}
evaluation:
  compatibility: {{images: stream, criterion: recall@1, also: [recall@5]}}
  service: {{criterion: cmc@1}}
seed: 1
"""
TIMES = {"train_seconds", "eval_seconds", "peak_memory_bytes", "service"}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A table of 12 training and 8 test images with captions, two small CLIPs, and a scenario that joins them."""
    root = tmp_path_factory.mktemp("world")
    data, rows = tiny_captions(), []
    for split, images in (("train", data.train), ("test", data.test)):
        for number, (pixels, captions) in enumerate(zip(images.pixels, images.captions, strict=True)):
            name = f"{split}{number:02}.png"
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(root / name)
            rows += [(name, text, split) for text in captions]
    with (root / "pictures.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "caption", "split"), *rows])
    save_tiny_clip(root / "small.safetensors")
    save_tiny_clip(root / "large.safetensors", embed_dim=20, seed=1)
    (root / "texts.yaml").write_text(SCENARIO.format(data=root, root=root))
    return root


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLSIM_DATA", str(tmp_path / "no data"))
    monkeypatch.setenv("CLSIM_MODELS", str(tmp_path / "no models"))
    return tmp_path


@pytest.fixture
def command(elsewhere, command):
    """Command lines in a directory of their own."""
    return command


def without_times(results: dict) -> dict:
    return {
        **results,
        "sessions": [{k: v for k, v in record.items() if k not in TIMES} for record in results["sessions"]],
        "summary": {key: value for key, value in results["summary"].items() if key != "service"},
    }


def test_what_steers_a_model_goes_by_the_seed_of_initialisation_and_training_by_that_of_the_order(world, elsewhere):
    def ran(number, **seeds):
        changes = {f"seeds.{name}": seed for name, seed in seeds.items()}
        prepared = prepare(world / "texts.yaml", None, changes, None, "cpu", strict=True)
        seen = Seen()
        prepared.strategy.plugins.append(seen)
        simulate(prepared, out=Path(str(number)))
        return seen

    usual, drawn, one, other = ran(0), ran(1, initialisation=8), ran(2, order=8), ran(3, order=9)
    # Of the projection only what captions did not train yet when the session began.
    steering = [name for name in one.first[1] if "prompts" in name or name.endswith("0.down")]
    assert len(steering) > 6
    for session in (1, 2):
        begun = [seen.first[session] for seen in (usual, drawn, one, other)]
        assert all(torch.equal(begun[2][name], begun[3][name]) for name in steering)
        assert not any(torch.equal(begun[0][name], begun[1][name]) for name in steering)
        assert not torch.equal(begun[2]["projection.linear.weight"], begun[3]["projection.linear.weight"])
        assert same_batches(usual.batches[session], drawn.batches[session])
        assert not same_batches(one.batches[session], other.batches[session])


def test_models_without_weights_of_their_own_go_by_the_seed_of_initialisation(world, elsewhere, monkeypatch):
    asked = []

    def loaded(names, recipes, *, seed, device):
        asked.append(seed)
        raise UserError("enough")

    monkeypatch.setattr(preparing, "load_clips", loaded)
    for changes in ({}, {"seeds.order": 5}, {"seeds.initialization": 6}):
        with pytest.raises(UserError, match="enough"):
            prepare(world / "texts.yaml", None, changes, None, "cpu", strict=True)
    assert asked == [1, 1, 6]


def test_a_run_leaves_what_the_design_says(world, elsewhere):
    results = clsim.run(world / "texts.yaml", out="run", device="cpu")
    files = {str(path.relative_to("run")) for path in Path("run").rglob("*") if path.is_file()}
    assert {"scenario.yaml", "manifest.json", "results.json", "sessions.jsonl"} <= files
    assert "checkpoints/last.safetensors" in files
    written = json.loads(Path("run/results.json").read_text())
    assert written == json.loads(json.dumps(results.to_dict()))
    assert written["status"] == "complete"
    names = [f"recall@{k}/{direction}" for k in (1, 5) for direction in DIRECTIONS]
    assert list(written["matrices"]) == names
    for matrix in [written["compatibility_matrix"], *written["matrices"].values()]:
        assert [[value is None for value in row] for row in matrix] == [[j > i for j in range(3)] for i in range(3)]
    one, other = (written["matrices"][name] for name in names[:2])
    for number, record in enumerate(written["sessions"]):
        compatibility = record["compatibility"]
        assert record["new_classes"] == [] and record["seen_classes"] == 0
        assert record["accuracy"] == record["base_accuracy"] == compatibility["self_test"]
        assert record["accuracy_by_session"] == [record["accuracy"]] * (number + 1)
        assert record["novel_accuracy"] is record["harmonic_mean"] is None
        row = [*compatibility["cross_tests"], compatibility["self_test"]]
        assert row == written["compatibility_matrix"][number][: number + 1]
        assert row == [(a + b) / 2 for a, b in zip(one[number][: number + 1], other[number], strict=False)]
        assert record["images_trained"] == (6 if number else 0)
        assert (record["trainable_parameters"] > 0) == bool(number)
        assert set(record["service"]) >= {"accuracy", "full_backfill", "no_update", "items_by_version"}
    assert [record["replaced_by"] for record in written["sessions"]] == [None, "large", "small"]
    assert [record["service"]["gallery_items"] for record in written["sessions"]] == [3, 6, 8]
    assert written["summary"]["final_accuracy"] == written["sessions"][-1]["accuracy"]
    assert written["summary"]["am"] == written["sessions"][-1]["compatibility"]["am"]
    assert [len(row) for row in written["accuracy_matrix"]] == [1, 2, 3]
    again = recompute_pairs(Path("run/features"), 5)
    assert again["text_to_image"][2] == written["matrices"]["recall@5/text_to_image"][2]


def test_the_manifest_holds_the_hashes_of_data_and_models(world, elsewhere):
    clsim.run(world / "texts.yaml", out="run", device="cpu")
    hashes = json.loads(Path("run/manifest.json").read_text())["hashes"]
    for name in ("small", "large"):
        assert hashes[f"model {name}"] == load_clip("", world / f"{name}.safetensors").sha256
    assert hashes["pre-trained weights"] == hashes["model small"]
    data = prepare(world / "texts.yaml", None, None, None, "cpu", True).stream.dataset
    assert (hashes["train images"], hashes["test images"]) == (data.train.sha256, data.test.sha256)


def test_only_what_steers_is_stored(world, elsewhere):
    clsim.run(world / "texts.yaml", out="run", device="cpu")
    stored = set(load_file("run/checkpoints/last.safetensors"))
    kinds = {name.rpartition(".")[2] if "parametrizations" in name else name.split(".")[0] for name in stored}
    assert kinds == {"up", "down", "image_prompts", "text_prompts", "projection"}


def test_same_seed_same_figures_and_a_resolved_scenario_runs_again(world, elsewhere):
    first = without_times(clsim.run(world / "texts.yaml", out="one", device="cpu").to_dict())
    weights = Path("one/checkpoints/last.safetensors").read_bytes()
    Path("texts.yaml").write_text(Path("one/scenario.yaml").read_text())
    assert without_times(clsim.run("texts.yaml", out="two", device="cpu").to_dict()) == first
    assert Path("two/checkpoints/last.safetensors").read_bytes() == weights
    clsim.run(world / "texts.yaml", seed=2, out="other", device="cpu")
    assert Path("other/checkpoints/last.safetensors").read_bytes() != weights


@pytest.mark.parametrize("name", ["clip_procrustes", "clip_independent"])
def test_what_trains_nothing_runs_too(world, elsewhere, name):
    results = clsim.run(world / "texts.yaml", name, out="run", device="cpu").to_dict()
    assert [record["images_trained"] for record in results["sessions"]] == [0, 0, 0]
    if name == "clip_independent":
        assert results["compatibility_matrix"][1][0] == 0.0  # widths differ
        assert results["compatibility_matrix"][2][0] == results["compatibility_matrix"][0][0]  # the same model


def composed(world, **settings):
    clips = [ReplacementClip(name, load_clip("", world / f"{name}.safetensors")) for name in ("small", "large")]
    stream = text_upgrade(tiny_captions(), load=clips)
    torch.manual_seed(0)
    return stream, load_strategy(find_strategy("clip_procrustes"))(stream, **settings)


def test_a_stream_composed_in_python_is_measured_at_1_5_and_10_or_by_what_it_brings(world, elsewhere):
    results = clsim.run(*composed(world), out="run").to_dict()
    assert list(results["matrices"]) == [f"recall@{k}/{direction}" for k in (1, 5, 10) for direction in DIRECTIONS]
    stream, strategy = composed(world)
    strategy.evaluator.metrics.append(PairTests(stream.dataset.test, k=3))
    results = clsim.run(stream, strategy, out="brought").to_dict()
    assert list(results["matrices"]) == [f"recall@3/{direction}" for direction in DIRECTIONS]
    assert not Path("brought/features").exists()


def test_evaluation_may_be_left_open(world, elsewhere):
    results = clsim.run(world / "texts.yaml", overrides={"evaluation": {}}, out="run", device="cpu").to_dict()
    assert "recall@10/text_to_image" in results["matrices"]
    assert results["sessions"][-1]["service"] is None


def test_the_command_line_runs_and_validates(command, world):
    code, out, err = command("run", world / "texts.yaml", "--out", "run", "--device", "cpu")
    assert (code, err) == (0, "")
    code, out, _ = command("validate", world / "texts.yaml")
    assert code == 0 and "small -> large -> small" in out


@pytest.mark.parametrize("strategy", ["fine_tune", "oca", "cpe_clip"])
def test_strategies_of_classes_are_refused_on_image_text_models(command, world, strategy):
    code, _, err = command("run", world / "texts.yaml", "--strategy", strategy)
    assert code == 2
    assert f"--strategy {strategy}: the strategy {strategy} does not run on a stream of kind text_upgrade" in err
    assert "xbt" in err
    assert not Path("runs").exists()


@pytest.mark.parametrize(("scenario", "kind"), [("shapes_upgrade", "upgrade"), ("shapes_fscil", "fscil")])
def test_strategies_of_image_text_models_are_refused_on_classes(command, scenario, kind):
    code, _, err = command("run", scenario, "--strategy", "xbt")
    assert code == 2
    assert f"--strategy xbt: the strategy xbt does not run on a stream of kind {kind}" in err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("stream.pairs=13", "13 captioned training images are asked for, captions:"),
        ("stream.load=[small, timm]", "--set stream.load=[small, timm]: stream.load.1: timm is a model of kind timm"),
        ("models.large.path=/no/such.safetensors", "/no/such.safetensors"),
        ("evaluation.compatibility.criterion=cmc@1", "expected recall@K"),
        ("stream.dataset=captions:/no/such.csv", "/no/such.csv"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(command, world, change, said):
    code, _, err = command("run", world / "texts.yaml", "--set", change)
    assert code == 2
    assert said in err
    assert not Path("runs").exists()


def test_a_strategy_that_would_not_notice_the_models_is_refused(world, elsewhere):
    Path("idle.py").write_text(
        'STREAMS = ("text_upgrade",)\n\n\ndef build(stream):\n'
        "    from clsim import Strategy\n    from clsim.models import ImageTextModel\n"
        "    return Strategy(model=ImageTextModel(stream.models[0].clip), train_epochs=0)\n"
    )
    with pytest.raises(UserError, match="the strategy idle has no ClipUpgrade") as told:
        prepare(world / "texts.yaml", "./idle.py", None, None, "cpu", True)
    assert told.value.where == "stream.load"
    assert told.value.fix == "choose a strategy that does: clip_independent, clip_procrustes, xbt"
    alone = prepare(world / "texts.yaml", "./idle.py", ["stream.load=[small]"], None, "cpu", True)
    assert isinstance(alone.strategy, Strategy) and isinstance(alone.strategy.model, ImageTextModel)
    found = prepare(world / "texts.yaml", None, None, None, "cpu", True).strategy.plugins
    assert any(isinstance(plugin, ClipUpgrade) for plugin in found)


def test_the_stand_in_of_the_photographs_is_the_embedded_scenario():
    for name in ("flickr_upgrade", "flickr_upgrade_small"):
        assert load_scenario(name).otherwise == "shapes_text_upgrade"
