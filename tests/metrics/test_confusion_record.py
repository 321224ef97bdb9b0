"""The confusion record of a run holds the predictions of its model."""

from __future__ import annotations

import base64
import io
import json
from functools import partial
from pathlib import Path

import pytest
import torch
from helpers.tiny import TinyModel, tiny_dataset, tiny_images
from PIL import Image

import clsim
from clsim.metrics.confusion_record import EXAMPLES, SHOWN, SIDE, confusion_record, data_uri
from clsim.streams import fscil
from clsim.streams.session import ResidentView


def decoded(uri: str) -> Image.Image:
    kind, _, content = uri.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_a_run_keeps_the_answers_of_its_last_session(tmp_path: Path) -> None:
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    model = TinyModel()
    strategy = clsim.Strategy(
        model=model, optimizer=partial(torch.optim.SGD, lr=0.1), train_mb_size=20, eval_mb_size=7, plugins=[]
    )
    results = clsim.run(stream, strategy, out=tmp_path / "run").to_dict()
    kept = json.loads((tmp_path / "run" / "confusion.json").read_text())
    assert kept["session"] == 2
    right = sum(entry["correct"] for entry in kept["classes"])
    assert right / sum(entry["images"] for entry in kept["classes"]) == results["sessions"][-1]["accuracy"]
    model.eval()
    for entry in kept["classes"]:
        images = tiny_dataset().test
        own = images.pixels[images.labels == entry["class"]].float() / 255
        answers = model(own).argmax(dim=1).tolist()
        assert entry["correct"] == answers.count(entry["class"])
        assert all(answers.count(answer) == number for answer, number in entry["mistaken_for"])
        assert entry["name"] == f"thing {entry['class']}"


def test_examples_are_images_that_were_named_wrongly() -> None:
    images = tiny_images(5, classes=4)
    views = [ResidentView(images, torch.arange(12)), ResidentView(images, torch.arange(12, 20))]
    labels = torch.cat([view.labels for view in views])
    answers = labels.clone()
    wrong = (labels == 2).nonzero().flatten()[1:]
    answers[wrong] = 0
    entries = confusion_record(labels, answers, images.class_names, views)
    assert [len(entry["examples"]) for entry in entries] == [0, 0, EXAMPLES, 0]
    for uri, place in zip(entries[2]["examples"], wrong.tolist(), strict=False):
        pixels = images.pixels[place].permute(1, 2, 0).tolist()
        assert [list(pixel) for pixel in decoded(uri).getdata()] == [pixel for row in pixels for pixel in row]


def test_only_the_worst_classes_have_examples() -> None:
    images = tiny_images(2, classes=10)
    entries = confusion_record(
        images.labels, (images.labels + 1) % 10, images.class_names, [ResidentView(images, torch.arange(20))]
    )
    assert [bool(entry["examples"]) for entry in entries] == [True] * SHOWN + [False] * (10 - SHOWN)


@pytest.mark.parametrize("views", [[], [ResidentView(tiny_images(2, classes=3), torch.arange(5, -1, -1))]])
def test_without_the_images_in_their_order_there_are_no_examples(views: list[ResidentView]) -> None:
    images = tiny_images(2, classes=3)
    entries = confusion_record(images.labels, (images.labels + 1) % 3, images.class_names, views)
    assert [entry["examples"] for entry in entries] == [[], [], []]
    assert [entry["mistaken_for"] for entry in entries] == [[[1, 2]], [[2, 2]], [[0, 2]]]


def test_a_large_image_becomes_a_small_one() -> None:
    picture = decoded(data_uri(torch.zeros(3, 300, 150, dtype=torch.uint8)))
    assert picture.size == (SIDE // 2, SIDE)
