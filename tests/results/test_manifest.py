import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import TinyModel, tiny_dataset

import clsim
from clsim.config import load_scenario
from clsim.config.seeds import EffectiveSeeds, Seeds
from clsim.plugins import BaseSession
from clsim.results.differences import Difference, differences, scenario_differences
from clsim.results.manifest import manifest, result_files, seal
from clsim.results.provenance import CLSIM, source_sha256, split_sha256, stream_split_sha256
from clsim.streams import fscil
from clsim.utils.errors import UserError
from clsim.utils.files import sha256_of

SMALL = """\
stream: {kind: upgrade, dataset: shapes, classes: [3, 5], images_per_class: 4}
strategy: independent
strategies:
  independent: {backbone: resnet8x2, epochs: 1, batch_size: 4}
evaluation:
  batch_size: 32
  compatibility: {images: stream, query: test, gallery: test, criterion: cmc@1, images_per_class: 5}
"""


def stream(**settings):
    return fscil(tiny_dataset(), **{"base_classes": 6, "ways": 2, "shots": 5, "splits": {"draw": 0}, **settings})


def strategy():
    return clsim.Strategy(
        model=TinyModel(),
        optimizer=partial(torch.optim.SGD, lr=0.1),
        train_mb_size=7,
        eval_mb_size=50,
        plugins=[BaseSession(epochs=1, train_mb_size=30)],
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of a small scenario, and what its manifest says."""
    root = tmp_path_factory.mktemp("manifest")
    (root / "small.yaml").write_text(SMALL)
    clsim.run(root / "small.yaml", out=root / "run", device="cpu", seed=5)
    return root / "run", json.loads((root / "run" / "manifest.json").read_text())


def test_the_manifest_names_versions_hashes_and_commit():
    content = manifest(seed=3, device="cpu", hashes={"data": "ab"}, settings={"precision": "fp32"})
    assert content["packages"]["torch"].startswith(torch.__version__.split("+")[0])
    assert content["hashes"] == {"data": "ab"}
    assert content["seed"] == 3
    assert content["precision"] == "fp32"
    json.dumps(content)


def test_what_a_run_was_made_of(made):
    run, content = made
    hashes = content["hashes"]
    assert hashes["scenario file"] == sha256_of(run / "scenario.yaml")
    assert hashes["strategy file"] == sha256_of(load_scenario(run.parent / "small.yaml").selected_strategy.path)
    assert hashes["clsim source"] == source_sha256()
    assert {"train images", "test images", "query images", "gallery images", "split lists"} <= set(hashes)
    assert content["seed"] == 5 and content["seeds"] == asdict(EffectiveSeeds.of(5, Seeds()))
    assert content["batch_sizes"] == {"base": 4, "train": 4, "eval": 32}
    assert content["test_images"][0] * 5 == content["test_images"][1] * 3
    assert content["split_lists"] == {}
    assert set(content["determinism"]) >= {"deterministic_algorithms", "cudnn_benchmark", "float32_matmul_precision"}
    assert content["determinism"]["num_threads"] == content["threads"]
    assert (content["device"], content["device_name"], content["precision"]) == ("cpu", None, "fp32")


def test_the_base_session_may_have_batches_of_its_own(tmp_path):
    clsim.run(stream(), strategy(), out=tmp_path / "run")
    content = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert content["batch_sizes"] == {"base": 30, "train": 7, "eval": 50}
    assert content["test_images"] == [60, 80, 100]
    assert "scenario file" not in content["hashes"] and "strategy file" not in content["hashes"]


def test_settings_of_determinism_are_those_of_the_run(tmp_path):
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = True
    try:
        clsim.run(stream(), strategy(), out=tmp_path / "run")
    finally:
        torch.use_deterministic_algorithms(before)
        torch.backends.cudnn.benchmark = False
    said = json.loads((tmp_path / "run" / "manifest.json").read_text())["determinism"]
    assert said["deterministic_algorithms"] is True and said["cudnn_benchmark"] is True


def test_classes_images_and_their_order_make_the_hash_of_the_splits():
    usual = stream_split_sha256(stream())
    assert stream_split_sha256(stream()) == usual
    others = ({"splits": {"draw": 1}}, {"shots": 4}, {"class_order": {"seed": 1}}, {"sessions": 1})
    assert len({usual, *(stream_split_sha256(stream(**other)) for other in others)}) == 5
    one, two = torch.tensor([1, 2]), torch.tensor([3])
    assert split_sha256([[0], [1]], [one, two]) != split_sha256([[0], [1]], [one.flip(0), two])
    assert split_sha256([[0], [1]], [one, two]) != split_sha256([[0], [1]], [torch.tensor([1]), torch.tensor([2, 3])])
    assert split_sha256([[0], [1]], [one]) != split_sha256([[0, 1]], [one])


def test_an_altered_copy_of_clsim_is_told_without_git(tmp_path):
    copy = tmp_path / "clsim"
    shutil.copytree(CLSIM, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert source_sha256(copy) == source_sha256()
    (copy / "_builtin" / "strategies").mkdir(parents=True)
    (copy / "_builtin" / "strategies" / "mine.py").write_text("")
    (copy / "pretraining" / "assets" / "note.txt").write_text("no code")
    assert source_sha256(copy) == source_sha256()
    source = copy / "losses" / "alignment.py"
    source.write_text(source.read_text() + "\n")
    altered = source_sha256(copy)
    assert altered != source_sha256()
    source.rename(copy / "losses" / "gains.py")
    assert source_sha256(copy) not in (altered, source_sha256())


def test_a_complete_run_is_sealed(made):
    run, content = made
    assert content["files"] == {
        name: sha256_of(run / name)
        for name in (
            "checkpoints/last.safetensors",
            "confusion.json",
            "features/labels.safetensors",
            "features/version0.safetensors",
            "features/version1.safetensors",
            "results.json",
            "scenario.yaml",
            "sessions.jsonl",
        )
    }


def test_a_seal_takes_in_what_is_a_result(made, tmp_path):
    run = Path(shutil.copytree(made[0], tmp_path / "run"))
    for name in (".lock", "checkpoints/resume.safetensors", "features/.version2.safetensors", "notes.txt"):
        (run / name).write_text("")
    (run / "results.json").unlink()
    seal(run)
    content = json.loads((run / "manifest.json").read_text())
    assert set(content["files"]) == set(made[1]["files"]) - {"results.json"} == set(result_files(run))
    assert {**content, "files": None} == {**made[1], "files": None}
    assert not list(run.glob(".manifest*"))


def test_a_run_that_ends_early_is_not_sealed(tmp_path):
    class Stop(SupervisedPlugin):
        def after_training_exp(self, strategy, **kwargs):
            raise RuntimeError("broken")

    broken = strategy()
    broken.plugins.append(Stop())
    with pytest.raises(RuntimeError, match="broken"):
        clsim.run(stream(), broken, out=tmp_path / "run")
    assert "files" not in json.loads((tmp_path / "run" / "manifest.json").read_text())


CHANGES = {
    "seed": 6,
    "strategy": "other",
    "precision": "bf16",
    "compile": "never",
    "stands_in_for": {"scenario": "x"},
    "python": "3.99",
    "clsim": "9.9",
    "processes": 2,
    "seeds": [1, 2],
    "packages.torch": "9.9",
    "packages.other": "1.0",
    "hashes.strategy file": "0" * 64,
    "hashes.clsim source": "0" * 64,
    "hashes.train images": "0" * 64,
    "hashes.split lists": "0" * 64,
    "hashes.replacement new": "0" * 64,
    "split_lists.cifar100/session_1.txt": "0" * 64,
    "batch_sizes.train": 5,
}


@pytest.mark.parametrize("key", CHANGES)
def test_what_would_make_a_resumed_run_another_one(made, key):
    before = made[1]
    now = json.loads(json.dumps(before))
    block, _, name = key.partition(".")
    if name:
        now[block][name] = CHANGES[key]
    else:
        now[block] = CHANGES[key]
    old = before[block].get(name) if name else before[block]
    assert differences(before, now) == [Difference(key, old, CHANGES[key])]
    assert differences(now, before) == [Difference(key, CHANGES[key], old)]


def test_what_does_not_make_it_another_one(made):
    before = made[1]
    other = {
        "started": "later",
        "command": ["clsim", "run", "--resume"],
        "git": None,
        "platform": "another node",
        "files": None,
        "threads": 77,  # a run that is resumed gets as many as it had
    }
    assert differences(before, {**before, **other}) == []
    assert [found.key for found in differences(before, {**before, "device": "cuda:0"})] == ["device"]
    on_gpu = {**before, "device": "cuda:0"}
    assert differences(on_gpu, {**on_gpu, "device": "cuda:1", "threads": 99, "device_name": "another"}) == []


def test_keys_of_a_scenario_that_change_a_run_are_told(made):
    path, folder = made[0] / "scenario.yaml", made[0].parent

    def told(*changes):
        return scenario_differences(path, load_scenario(folder / "small.yaml", changes, seed=5))

    assert told() == []
    assert told("strategy.epochs=2") == ["scenario strategies.independent.epochs: 1 -> 2"]
    assert told("stream.classes=[3, 6]") == ["scenario stream.classes: [3, 5] -> [3, 6]"]
    assert told("on_nan=skip", "evaluation.compatibility.images_per_class=4") == [
        "scenario evaluation.compatibility.images_per_class: 5 -> 4",
        "scenario on_nan: stop -> skip",
    ]
    assert told("checkpoints.minutes=3", "description=another", "references=[oca]") == []
    assert told("strategies.oca={epochs: 3}") == []  # which does not run
    assert scenario_differences(path, None) == []


@pytest.mark.parametrize("text", [None, "a: [", "\udcff", "[" * 5000])
def test_a_scenario_that_cannot_be_read_is_told(made, tmp_path, text):
    if text is not None:
        (tmp_path / "scenario.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match="this file cannot be read"):
        scenario_differences(tmp_path / "scenario.yaml", load_scenario(made[0].parent / "small.yaml"))


def test_a_difference_can_be_read():
    assert str(Difference("packages.torch", "2.6.0", "2.7.0")) == "packages.torch: 2.6.0 -> 2.7.0"
    assert str(Difference("hashes.x", "ab" * 32, None)) == "hashes.x: abababababab -> nothing"
    assert str(Difference("seed", 1, 2)) == "seed: 1 -> 2"


def test_reading_a_manifest_takes_no_torch():
    code = "import sys, clsim.results.manifest, clsim.verify; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=CLSIM.parent).returncode == 0
