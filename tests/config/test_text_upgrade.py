"""Streams of image-text models: what a scenario may say of them and of their evaluation, and what mistakes say."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.workspace import edited, problems_of

from clsim.config import load_scenario
from clsim.config.json_schema import scenario_schema

TEXT_UPGRADE = """\
stream:
  kind: text_upgrade
  dataset: shapes
  load: [old, new]
  pairs: 1000
strategy: bridge
models:
  old: {kind: clip, dataset: shapes, image_size: 32}
  new: {kind: open_clip, model: ViT-B-32, pretrained: openai}
  file: {kind: checkpoint, path: x.safetensors}
  plain: {kind: timm, name: resnet18.a1_in1k}
  sorter: {kind: classifier, dataset: shapes, classes: 50}
evaluation:
  compatibility: {images: stream, criterion: recall@1, also: [recall@5, recall@10]}
  service: {criterion: cmc@1}
published:
  bridge: {accuracy: [0.5, 0.4], ac: 1.0, source: nowhere}
"""
BRIDGE = 'STREAMS = ("text_upgrade",)\n\n\ndef build(stream, *, lr: float = 0.5):\n    pass\n'


@pytest.fixture
def texts(scenario: Path) -> Path:
    Path("strategies/bridge.py").write_text(BRIDGE)
    scenario.write_text(TEXT_UPGRADE)
    return scenario


def test_a_model_for_every_session_is_loaded(texts: Path) -> None:
    loaded = load_scenario(texts)
    assert loaded.sessions == 2
    assert loaded.stream.kind == "text_upgrade"
    assert (loaded.stream.load, loaded.stream.pairs, loaded.stream.image_size) == (["old", "new"], 1000, None)
    assert loaded.stream.summary(loaded.sessions) == ["2 sessions", "old -> new"]
    chain = load_scenario(texts, ["stream.load=[old, new, file]", "stream.pairs=null", "published={}"])
    assert (chain.sessions, chain.stream.pairs) == (3, None)
    assert load_scenario(texts, ["stream.load=[file]", "published={}"]).sessions == 1


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["evaluation={}"],
        ["evaluation={service: {}}"],
        ["stream.dataset=captions:pictures.tsv", "stream.pairs=999999", "stream.image_size=64"],
        ["stream.dataset=flickr8k"],
        ["evaluation.compatibility={images: stream, criterion: recall@7, ties: true, keep_features: false}"],
    ],
)
def test_it_survives_writing(texts: Path, changes: list[str]) -> None:
    loaded = load_scenario(texts, changes)
    Path("again.yaml").write_text(loaded.to_yaml())
    again = load_scenario("again.yaml")
    assert again.model_dump() == loaded.model_dump()
    assert again.to_yaml() == loaded.to_yaml()


OF_THE_STREAM = [
    ("dataset: shapes\n", "dataset: cifar100\n", 3, "stream.dataset: cifar100 has classes and no captions", "flickr8k"),
    ("dataset: shapes\n", "dataset: flickr9k\n", 3, "there is no set of images with captions 'flickr9k'", "flickr8k"),
    ("dataset: shapes\n", "dataset: nonsense\n", 3, "there is no set of images with captions", "captions:PATH"),
    ("dataset: shapes\n", "dataset: 'captions: '\n", 3, "captions: names no path", "write captions:PATH"),
    ("dataset: shapes\n", "dataset: 'folder:x'\n", 3, "there is no set of images with captions 'folder:x'", ""),
    ("dataset: shapes\n", "dataset: 3\n", 3, "stream.dataset: expected a string, got 3", ""),
    ("load: [old, new]", "load: [old, nwe]", 4, "stream.load.1: there is no 'nwe' in models", "did you mean 'new'?"),
    (
        "load: [old, new]",
        "load: [old, plain]",
        4,
        "stream.load.1: plain is a model of kind timm and has no text",
        "clip",
    ),
    ("load: [old, new]", "load: [sorter, new]", 4, "stream.load.0: sorter is a model of kind classifier", "open_clip"),
    ("load: [old, new]", "load: []", 4, "stream.load: must be not empty", ""),
    ("load: [old, new]", "load: old", 4, "stream.load: expected a list, got the string 'old'", ""),
    ("load: [old, new]", "load: [old, null]", 4, "stream.load.1: expected a string, got nothing (null)", ""),
    ("  load: [old, new]\n", "", 1, "the key 'load' is missing in stream", ""),
    (
        "pairs: 1000",
        "pairs: 4001",
        5,
        "stream.pairs: 4001 captioned training images are asked for, shapes has 4000",
        "",
    ),
    ("pairs: 1000", "pairs: 0", 5, "stream.pairs: must be more than 0, got 0", ""),
    ("pairs: 1000", "pairs: many", 5, "stream.pairs: expected an integer, got the string 'many'", ""),
    ("pairs: 1000", "pears: 1000", 5, "unknown key 'pears' in stream", "did you mean 'pairs'?"),
    ("pairs: 1000", "classes: [5, 10]", 5, "unknown key 'classes' in stream", ""),
    ("pairs: 1000", "image_size: 4", 5, "stream.image_size: must be at least 8", ""),
    ("kind: text_upgrade", "kind: text_upgrde", 2, "stream.kind: expected", "did you mean 'text_upgrade'?"),
    ("[0.5, 0.4]", "[0.5]", 17, "published.bridge.accuracy: 1 figure for 2 sessions", ""),
    ("strategy: bridge", "strategy: toy", 6, "the strategy toy does not run on a stream of kind text_upgrade", "xbt"),
]
OF_THE_EVALUATION = [
    ("images: stream", "images: held_out", 14, "only the stream's own images have captions", "write images: stream"),
    ("images: stream", "images: cifar10", 14, "only the stream's own images have captions", "write images: stream"),
    (
        "recall@1,",
        "cmc@1,",
        14,
        "criterion: expected recall@K on a stream of kind text_upgrade, got the string 'cmc@1'",
        "",
    ),
    ("recall@1,", "recall@0,", 14, "expected recall@K", "recall@1"),
    (
        "criterion: recall@1, ",
        "",
        14,
        "expected recall@K on a stream of kind text_upgrade, got the string 'nearest_cl",
        "",
    ),
    ("recall@5", "map", 14, "evaluation.compatibility.also.0: expected recall@K", ""),
    ("recall@10", "cmc@10", 14, "evaluation.compatibility.also.1: expected recall@K", ""),
    ("images: stream,", "images: stream, query: test,", 14, "compatibility.query: has no meaning", "remove it"),
    ("images: stream,", "images: stream, gallery: test,", 14, "compatibility.gallery: has no meaning", "remove it"),
    ("images: stream,", "images: stream, images_per_class: 3,", 14, "images_per_class: has no meaning", "remove it"),
    ("images: stream,", "images: stream, truncate: true,", 14, "compatibility.truncate: has no meaning", "remove it"),
    ("{criterion: cmc@1}", "{criterion: nearest_class_mean}", 15, "images with captions have no classes", "cmc@1"),
]


@pytest.mark.parametrize(("old", "new", "line", "what", "fix"), OF_THE_STREAM + OF_THE_EVALUATION)
def test_a_mistake_is_told_with_its_line(texts: Path, old: str, new: str, line: int, what: str, fix: str) -> None:
    found = problems_of(texts, edited(TEXT_UPGRADE, old, new))
    told = [p for p in found if what in p.what and p.where == f"scenarios/test.yaml:{line}" and fix in (p.fix or "")]
    assert told, [str(problem) for problem in found]


@pytest.mark.parametrize(("old", "new"), [row[:2] for row in OF_THE_EVALUATION])
def test_one_mistake_is_told_once(texts: Path, old: str, new: str) -> None:
    assert len(problems_of(texts, edited(TEXT_UPGRADE, old, new))) == 1


def test_recall_is_for_images_with_captions_only(scenario: Path) -> None:
    stream = "{kind: upgrade, dataset: cifar100, classes: [50, 100]}"
    measured = "{compatibility: {images: stream, criterion: recall@1, also: [cmc@5, recall@5]}}"
    found = problems_of(scenario, f"stream: {stream}\nstrategy: floor\nevaluation: {measured}\n")
    assert [problem.what for problem in found] == [
        "evaluation.compatibility.criterion: recall@1 is between images and captions, which this stream has not",
        "evaluation.compatibility.also.1: recall@5 is between images and captions, which this stream has not",
    ]


def test_a_strategy_of_image_text_models_is_refused_elsewhere(texts: Path) -> None:
    text = "stream: {kind: upgrade, dataset: cifar100, classes: [50, 100]}\nstrategy: xbt\n"
    (problem,) = problems_of(texts, text)
    assert problem.what == "the strategy xbt does not run on a stream of kind upgrade: it runs on text_upgrade"
    assert problem.where == "scenarios/test.yaml:2"


def test_the_json_schema_knows_them() -> None:
    schema = scenario_schema()
    assert "text_upgrade" in schema["properties"]["stream"]["discriminator"]["mapping"]
    properties = schema["$defs"]["TextUpgradeStream"]["properties"]
    assert set(properties) == {"kind", "dataset", "image_size", "load", "pairs"}
    assert "flickr8k" in str(properties["dataset"])
    assert "cifar100" not in str(properties["dataset"])
