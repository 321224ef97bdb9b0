"""What there is to name in a scenario or on the command line: the tables of ``clsim list``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from clsim.config import Scenario, load_scenario
from clsim.config.checks.text_upgrade import CLIPS
from clsim.config.discovery import find_strategy, list_scenarios, list_strategies
from clsim.config.models.classifier import HEADS
from clsim.config.models.recipe import CheckpointModel, ClassifierRecipe, ClipRecipe, ModelRecipe, TimmModel
from clsim.config.signatures import REQUIRED, read_signature
from clsim.data.facts import CAPTIONED, FACTS
from clsim.utils.errors import UserError
from clsim.utils.text import clean

Rows = Iterator[Sequence[str]]
ARRIVING: Mapping[str, str] = {
    "classifier": "pre-trained by clsim on the first classes of a data set",
    "clip": "pre-trained by clsim on images and captions; its image tower",
    "timm": "with timm's weights or random ones",
    "open_clip": "the image tower of one of its models",
    "checkpoint": "weights in a file",
}


def show(topic: str | None) -> None:
    """Print the table of a topic, or all of them."""
    for name, (headings, rows) in TOPICS.items():
        if topic is None and not sys.stdout.isatty():
            print(f"# {name}")
        if topic in (None, name):
            print_table(name, headings, list(rows()))


def show_settings(strategy: str) -> None:
    """Print the settings of one strategy: what each may be, its default, and what it is.

    Raises:
        UserError: there is no such strategy, or its file says something wrong.
    """
    settings = read_signature(find_strategy(strategy)).settings.values()
    defaults = ["" if setting.default is REQUIRED else json.dumps(setting.default) for setting in settings]
    rows = [(s.name, s.expected, default, s.description) for s, default in zip(settings, defaults, strict=True)]
    print_table(f"settings of {strategy}", ("name", "what it may be", "default", "what it is"), rows)


def show_data(action: str, names: Sequence[str]) -> bool:
    """Print where data sets stand, after fetching or verifying them if asked to; whether all is well with them.

    Raises:
        UserError: a name is unknown, or one cannot be fetched.
    """
    from clsim.data import catalog

    states = {"status": catalog.status, "fetch": catalog.fetch, "verify": catalog.verify}[action](names)
    rows = []
    for state in states:
        verdict = "altered" if state.present and state.fault else "here" if state.present else "not here"
        size = f"{state.size / 1e6:,.0f} MB" if state.size else ""
        rows.append((state.name, verdict, size, state.fault or state.checked or ("" if state.present else state.how)))
    print_table("data sets", ("name", "", "size", ""), rows)
    return not any(state.fault for state in states)


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere one line a row, tab-separated, without title and headings."""
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(map(clean, row)))
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from clsim.report.console.choose import make_console

    table = Table(*headings, title=Text(title, "bold"), title_justify="left", box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    make_console().print(table)


def _scenarios() -> Rows:
    for name, path in list_scenarios().items():
        scenario, broken = _loaded(path)
        yield name, scenario.description if scenario else broken, scenario.strategy if scenario else "", str(path)


def _strategies() -> Rows:
    for name, path in list_strategies().items():
        yield name, _description(path), str(path)


def _datasets() -> Rows:
    for name, facts in FACTS.items():
        size, told = f"{facts.image_size} px", "; also with captions" if name in CAPTIONED else ""
        yield name, str(facts.classes), str(facts.train_per_class), size, facts.description + told
    yield "folder:PATH", "?", "?", "?", "a folder or an archive of images, one folder a class"
    for name, captioned in CAPTIONED.items():
        if name not in FACTS:
            told = f"{captioned.train:,} training images, {captioned.captions} captions each"
            yield name, "", "", f"{captioned.image_size} px", f"{captioned.description}; {told}"
    yield "captions:PATH", "", "", "?", "a TSV or CSV file of images and captions"


def _models() -> Rows:
    for name, path in list_scenarios().items():
        scenario, _ = _loaded(path)
        for model, recipe in scenario.models.items() if scenario else ():
            yield model, _origin(recipe), name
    yield (
        "any ViT of open_clip",
        "as backbone, with one of its tags or a path as pretrained",
        "cpe_clip, zero_shot",
    )
    yield (
        "any model of timm",
        "as backbone, trained from scratch",
        "oca, bct, independent, stationary, replay, lwf, fine_tune",
    )
    for kind, means in ARRIVING.items():
        yield f"models: {{NAME: {{kind: {kind}, ...}}}}", f"as replacement, {means}", "stationary, replay"
    for kind in CLIPS:
        yield f"models: {{NAME: {{kind: {kind}, ...}}}}", "in load of a text_upgrade stream, both towers", "xbt"


def _origin(recipe: ModelRecipe) -> str:
    """Where a model of a scenario comes from."""
    if isinstance(recipe, ClassifierRecipe):
        head = f"{recipe.head} head" if recipe.head else f"{' or '.join(HEADS)} head"
        return f"classifier on {recipe.dataset}, {recipe.classes} classes, {head}"
    if isinstance(recipe, ClipRecipe):
        return f"clip on {', '.join(recipe.sources)}"
    if isinstance(recipe, CheckpointModel):
        return f"checkpoint {recipe.path}"
    if isinstance(recipe, TimmModel):
        return f"timm {recipe.model}" + ("" if recipe.pretrained else ", random weights")
    return f"open_clip {recipe.model}, {recipe.pretrained or 'random weights'}"


def _metrics() -> Rows:
    metrics = import_module("clsim.metrics.functional")
    for name in metrics.__all__:
        first = (getattr(metrics, name).__doc__ or "").strip().splitlines()[0]
        yield name, _as_phrase(re.sub(r"(:\w+:)?`+", "", first))  # without reStructuredText markup


def _as_phrase(summary: str) -> str:
    """Return what a function returns, by its summary; an abbreviation such as mAP keeps its case."""
    phrase = re.sub(r"^Return (the |an? )?", "", summary)
    return phrase if phrase[1].isupper() else phrase[0].upper() + phrase[1:]


def _loaded(path: Path) -> tuple[Scenario | None, str]:
    try:
        return load_scenario(path), ""
    except UserError as error:
        return None, f"(cannot be used: {str(error).splitlines()[0]})"


def _description(strategy: Path) -> str:
    try:
        return read_signature(strategy).description
    except UserError as error:
        return f"(cannot be used: {str(error).splitlines()[0]})"


TOPICS: Mapping[str, tuple[Sequence[str], Callable[[], Rows]]] = {
    "scenarios": (("name", "what it is", "strategy", "file"), _scenarios),
    "strategies": (("name", "what it is", "file"), _strategies),
    "datasets": (("name", "classes", "training images a class", "side", "what it is"), _datasets),
    "models": (("name", "what it is", "used by"), _models),
    "metrics": (("name", "what it is"), _metrics),
}
