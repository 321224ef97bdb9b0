"""A run on stored features: its figures are those without the cache, its manifest says what was found."""

import json
from functools import partial

import torch
from helpers.features import cached_backbone
from helpers.tiny import tiny_dataset
from torch.optim import SGD

import clsim
from clsim.models import LinearClassifier
from clsim.plugins import ClassScope
from clsim.streams import incremental

TIMES = ("seconds", "peak_memory")


def without_times(content):
    if isinstance(content, dict):
        return {key: without_times(value) for key, value in content.items() if not any(part in key for part in TIMES)}
    return [without_times(item) for item in content] if isinstance(content, list) else content


def run(path, out):
    torch.manual_seed(2)
    strategy = clsim.Strategy(
        model=LinearClassifier(cached_backbone(path), 10),
        optimizer=partial(SGD, lr=0.1),
        train_epochs=1,
        plugins=[ClassScope(training="seen", evaluation="seen")],
    )
    stream = incremental(tiny_dataset(), base_classes=4, ways=3)
    clsim.run(stream, strategy=strategy, out=out, listeners=())
    return [json.loads((out / name).read_text()) for name in ("results.json", "manifest.json")]


def test_results_are_those_without_the_cache_and_the_manifest_counts(tmp_path):
    found = [
        run(path, tmp_path / name) for path, name in ((None, "off"), (tmp_path / "f", "one"), (tmp_path / "f", "two"))
    ]
    for results, _ in found[1:]:
        assert without_times(results) == without_times(found[0][0])
    (off,), (first,), (second,) = (manifest["features"] for _, manifest in found)
    assert (first["computed"], second["computed"]) == (300, 0)
    assert second["found"] == first["found"] + first["computed"] == off["computed"]
    assert first["key"] == second["key"] and len(first["weights_sha256"]) == 64
    assert all("results.json" in manifest["files"] for _, manifest in found)
