"""Tables of ``clsim list`` and ``clsim data``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from clsim.config import Scenario, load_scenario
from clsim.config.checks.strategy import strategies_with_service
from clsim.config.checks.text_upgrade import CLIPS
from clsim.config.discovery import find_strategy, list_scenarios, list_strategies
from clsim.config.models.classifier import HEADS
from clsim.config.models.recipe import CheckpointModel, ClassifierRecipe, ClipRecipe, ModelRecipe, TimmModel
from clsim.config.signatures import REQUIRED, read_signature
from clsim.data.facts import CAPTIONED, FACTS
from clsim.results.figures import figures
from clsim.utils.errors import UserError
from clsim.utils.text import clean

Rows = Iterator[Sequence[str]]
INCOMING: Mapping[str, str] = {
    "classifier": "a classifier that clsim pre-trains on the first classes of a data set",
    "clip": "the image tower of a CLIP that clsim pre-trains on images and captions",
    "timm": "a timm model with its weights or random ones",
    "open_clip": "the image tower of an open_clip model",
    "checkpoint": "weights in a file",
}


def show(topic: str | None) -> None:
    """Print the table of a topic, or of all topics."""
    for name, (headings, rows) in TOPICS.items():
        if topic is None and not sys.stdout.isatty():
            print(f"# {name}")
        if topic in (None, name):
            print_table(name, headings, list(rows()))


def show_settings(strategy: str) -> None:
    """Print the settings of one strategy with their types, defaults and descriptions.

    Raises:
        UserError: There is no such strategy, or its file is invalid.
    """
    settings = read_signature(find_strategy(strategy)).settings.values()
    defaults = ["" if setting.default is REQUIRED else json.dumps(setting.default) for setting in settings]
    rows = [(s.name, s.expected, default, s.description) for s, default in zip(settings, defaults, strict=True)]
    print_table(f"settings of {strategy}", ("name", "type", "default", "description"), rows)


def show_data(action: str, names: Sequence[str]) -> bool:
    """Print the status of data sets, after fetching or verifying them if asked to; return whether none has a fault.

    Raises:
        UserError: A name is unknown, or a data set cannot be fetched.
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
    """Print a table on a terminal, and tab-separated rows without headings elsewhere."""
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
        size, captioned = f"{facts.image_size} px", "; also with captions" if name in CAPTIONED else ""
        yield name, str(facts.classes), str(facts.train_per_class), size, facts.description + captioned
    yield "folder:PATH", "?", "?", "?", "a folder or an archive of images, one subfolder per class"
    for name, texts in CAPTIONED.items():
        if name not in FACTS:
            counts = f"{texts.train:,} training images, {texts.captions} captions each"
            yield name, "", "", f"{texts.image_size} px", f"{texts.description}; {counts}"
    yield "captions:PATH", "", "", "?", "a TSV or CSV file of images and captions"


def _models() -> Rows:
    for name, path in list_scenarios().items():
        scenario, _ = _loaded(path)
        for model, recipe in scenario.models.items() if scenario else ():
            yield model, _origin(recipe), name
    yield from _backbones()
    kinds = (("replacement", "as a replacement"), ("upgrade", "in load of an upgrade stream"))
    for stream, place in kinds:
        able = ", ".join(strategies_with_service(stream))
        for kind, means in INCOMING.items():
            yield f"models: {{NAME: {{kind: {kind}, ...}}}}", f"{place}: {means}", able
    for kind in CLIPS:
        able = ", ".join(strategies_with_service("text_upgrade"))
        yield f"models: {{NAME: {{kind: {kind}, ...}}}}", "in load of a text_upgrade stream: both towers", able


def _backbones() -> Rows:
    """Yield the models that strategies take as ``backbone``, in the words of their own files."""
    users: dict[str, list[str]] = {}
    for name, path in list_strategies().items():
        with suppress(UserError):  # listed among the strategies with the reason
            backbone = read_signature(path).settings.get("backbone")
            if backbone is not None:
                users.setdefault(backbone.description or "any backbone", []).append(name)
    for description, names in users.items():
        yield "strategy.backbone", description, ", ".join(names)


def _origin(recipe: ModelRecipe) -> str:
    """Return the source of a model in a scenario."""
    if isinstance(recipe, ClassifierRecipe):
        head = f"{recipe.head} head" if recipe.head else f"{' or '.join(HEADS)} head"
        return f"classifier on {recipe.dataset}, {recipe.classes} classes, {head}"
    if isinstance(recipe, ClipRecipe):
        return f"clip on {', '.join(recipe.sources)}"
    if isinstance(recipe, CheckpointModel):
        return f"checkpoint {recipe.path}"
    if isinstance(recipe, TimmModel):
        return f"timm {recipe.name}, {'random weights' if recipe.weights == 'none' else recipe.weights}"
    return f"open_clip {recipe.model}, {recipe.pretrained or 'random weights'}"


def _metrics() -> Rows:
    metrics = import_module("clsim.metrics.functional")
    for name in metrics.__all__:
        first = (getattr(metrics, name).__doc__ or "").strip().splitlines()[0]
        yield name, _as_phrase(re.sub(r"(:\w+:)?`+", "", first))  # without reStructuredText markup
    for figure in figures():
        yield figure.key, f"figure: {figure.label}. {figure.meaning}".strip()


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
    "scenarios": (("name", "description", "strategy", "file"), _scenarios),
    "strategies": (("name", "description", "file"), _strategies),
    "datasets": (("name", "classes", "training images per class", "side", "description"), _datasets),
    "models": (("name", "description", "used by"), _models),
    "metrics": (("name", "description"), _metrics),
}
