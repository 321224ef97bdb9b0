"""The README and what lies in docs/: their code blocks, and a workspace on which their commands run as they stand."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from glob import glob
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from clsim.data.core.captioned import CaptionDataSet
from clsim.data.core.images import DataSet

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = {path.name: path for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))}
ELSEWHERE = {
    "pip install -e '.[dev]' && pytest": ".ci/run",
    "ruff check . && ruff format --check . && mypy": ".ci/run",
    "torchrun --nproc-per-node 4 -m clsim run cifar_fscil --device cuda --out RUN": "tests/utils/test_distributed.py",
    "clsim audit old.npy new.npy --out audit": "tests/cli/test_audit.py",
    "clsim sweep shapes --jobs 2": "tests/sweep/test_local.py",
    "clsim sweep shapes --engine ray --address auto": "tests/sweep/test_cluster.py",
}
"""Commands that install, take several processes or a cluster, by what runs them; here they are only looked at."""
TRAIN, TEST = 20, 2
"""Images of a class of shapes while commands of documents run: the same world, drawn smaller."""
CAPTIONED = (1000, 60)
"""Images with captions, to train and to test on."""
STEPS = 1
"""Iterations of an epoch, likewise."""


class Block(NamedTuple):
    """A code block: its language, its text, and the sentence before it."""

    language: str
    text: str
    before: str


def blocks(document: str, language: str | None = None) -> list[Block]:
    """The code blocks of a document, or those in one language."""
    text = DOCUMENTS[document].read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE):
        before = text[: match.start()].strip().split("\n\n")[-1]
        found.append(Block(match[1], match[2], before))
    return [block for block in found if language in (None, block.language)]


def commands(document: str) -> list[str]:
    """The command lines of a document, in order, without what is said about them."""
    lines = [line for block in blocks(document, "sh") for line in block.text.splitlines()]
    return [command for line in lines if (command := re.sub(r"\s+#.*", "", line).strip())]


def words_of(command: str) -> tuple[list[str], Path | None]:
    """The arguments of a clsim command as a shell gives them, and the file that its output goes to."""
    command, _, target = command.removeprefix("pip install -e . && ").partition(" > ")
    name, *words = shlex.split(command)
    assert name == "clsim", command
    return [found for word in words for found in _expanded(word)], Path(target) if target else None


def _expanded(word: str) -> list[str]:
    return sorted(glob(word)) or [word] if "*" in word else [word]  # noqa: PTH207  (as a shell expands a relative word)


def saved(document: str) -> Iterator[tuple[str, str]]:
    """Name and text of every block that the reader is asked to save as a file."""
    for block in blocks(document):
        if name := re.search(r"(?:Save this as|a file, here) `([\w.]+)`", block.before.replace("\n", " ")):
            yield name[1], block.text


def lay_out(workspace: Path) -> None:
    """What a reader would have: the shipped scenarios, the files that were to be saved, photographs and a CLIP."""
    (workspace / "scenarios").symlink_to(ROOT / "scenarios")
    for name, text in saved("README.md"):
        (workspace / name).write_text(text)
    draw = np.random.default_rng(0)
    for number in range(20):
        for index in range(10):
            path = workspace / "photographs" / f"bird_{number}" / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    (workspace / "PATH/TO").mkdir(parents=True)
    shutil.copy(ROOT / "clsim/pretraining/assets/shapes-clip.safetensors", workspace / "PATH/TO/clip.safetensors")


@cache
def small(image_size: int | None) -> DataSet:
    """Shapes with few images."""
    from clsim.data.datasets.shapes import shapes

    whole = shapes() if image_size is None else shapes(image_size=image_size)
    ids = range(len(whole.class_names))
    parts = [
        images.subset([int(i) for few in images.first_of_each(ids, count) for i in few])
        for images, count in ((whole.train, TRAIN), (whole.test, TEST))
    ]
    return replace(whole, train=parts[0], test=parts[1])


@cache
def few(image_size: int | None) -> CaptionDataSet:
    """Captioned shapes, few of them."""
    from clsim.data.datasets.shapes_captioned import shapes_captioned
    from clsim.data.facts import CAPTIONED as FACTS

    facts = FACTS["shapes"]
    return shapes_captioned(*CAPTIONED, image_size=image_size or facts.image_size, captions=facts.captions)


def draw_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the embedded world drawn with fewer images, and every session trained for an iteration."""
    from clsim.data import caption_catalog, catalog
    from clsim.training import Strategy

    entry = replace(catalog.SHAPES, load=lambda root, image_size: small(image_size))
    monkeypatch.setitem(catalog.ENTRIES, "shapes", entry)
    monkeypatch.setitem(caption_catalog.LOADERS, "shapes", lambda root, image_size: few(image_size))
    batches, train = Strategy._batches, Strategy._train_exp

    def briefly(strategy: Strategy, *given: object, **named: object) -> None:
        strategy.train_epochs = min(strategy.train_epochs, 1)
        train(strategy, *given, **named)

    monkeypatch.setattr(Strategy, "_train_exp", briefly)
    monkeypatch.setattr(Strategy, "_batches", lambda strategy: islice(batches(strategy), STEPS))
