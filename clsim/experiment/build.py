"""From a scenario to a stream and a strategy, ready to run; or to the stand-in's, where something is missing."""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from clsim.config import Scenario, load_scenario
from clsim.config.checks.published import BY_SESSION
from clsim.config.discovery import list_strategies
from clsim.config.models.classifier import Head
from clsim.config.models.recipe import CheckpointModel
from clsim.config.user_code import load_strategy
from clsim.data import load_captions, load_dataset
from clsim.data.core.file_warnings import warn_if_upscaled
from clsim.data.core.held_out import held_out
from clsim.data.core.images import Images
from clsim.experiment.eval_sets import compared_images
from clsim.experiment.replacements import Moment, load_clips, load_replacements, moments, weights_file
from clsim.models.preprocess import Preprocess
from clsim.models.replacement_model import ReplacementClip
from clsim.plugins import ClipUpgrade, ModelReplacement, ModelUpgrade
from clsim.pretraining import ClipRecipe
from clsim.streams import Stream, TextStream, fscil, incremental, replacement, text_upgrade, upgrade
from clsim.streams.builders.validation import on_held_out
from clsim.streams.settings import DRAWN, FscilStream, ReplacementStream, TextUpgradeStream, UpgradeStream
from clsim.training import Strategy
from clsim.utils.errors import ArgumentError, DataMissing, UserError, WeightsMissing
from clsim.utils.files import from_home
from clsim.utils.precision import INSISTED, KEPT, REPLACED, is_emulated, usable
from clsim.utils.seeding import composed
from clsim.utils.text import clean


@dataclass(frozen=True)
class Experiment:
    """A stream and the strategy that will learn it, ready to run.

    Attributes:
        name: of the scenario, or of the data set.
        strategy_name: of the strategy.
        seed: of everything random in the run.
        stream: what arrives.
        strategy: what learns.
        scenario: that both are made from; ``None`` where they were composed in Python.
        stands_in_for: the scenario in whose place this one runs, and why.
        compared: query and gallery images on which versions of the model are compared, if they are; one object
            if query and gallery are the same.
        requested_precision: Precision that the scenario asks for; the strategy has the one in use.

    """

    name: str
    strategy_name: str
    seed: int
    stream: Stream | TextStream
    strategy: Strategy
    scenario: Scenario | None = None
    stands_in_for: dict[str, str] | None = None
    compared: tuple[Images, Images] | None = None
    requested_precision: str = "fp32"

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what is not as the scenario says: the precision, and published figures left out."""
        found = []
        used, requested, device = self.strategy.precision, self.requested_precision, str(self.strategy.device)
        if used != requested:
            replaced = is_emulated(requested, device)
            found.append(REPLACED if replaced else KEPT.format(used=used, requested=requested))
        elif is_emulated(used, device):
            found.append(INSISTED)
        changes = self.scenario.other_protocol if self.scenario else ()
        if changes:
            found.append(f"published figures left out: they are of another protocol (changed: {', '.join(changes)})")
        return tuple(found)

    @property
    def validation(self) -> dict[str, float | int] | None:
        """That the run is measured on held-out training images: which, and how many; ``None`` for test images."""
        if self.scenario is None or self.scenario.validation is None:
            return None
        test = self.stream.test_stream
        images = sum(len(session.resident) for session in test)
        classes = sum(
            len(block) for block, session in zip(self.stream.class_blocks, test, strict=True) if len(session.resident)
        )
        return {**self.scenario.validation.model_dump(), "images": images, "classes": classes}


def prepare_given(stream: Stream | TextStream, strategy: object) -> Experiment:
    """A stream and a strategy composed in Python, which was seeded when it was."""
    if not isinstance(strategy, Strategy):
        raise ArgumentError("a stream is run by a Strategy; pass one as `strategy`")
    if strategy.train_epochs and not strategy.trains and any(p.requires_grad for p in strategy.model.parameters()):
        what = "the strategy has epochs and weights to train, but no optimizer: nothing would be learnt"
        raise ArgumentError(what, fix="pass optimizer=..., or train_epochs=0")
    _tell_if_enlarged(stream, strategy)
    name, precision = type(strategy).__name__, strategy.precision
    seed = torch.initial_seed()
    return Experiment(stream.dataset.name, name, seed, stream, strategy, requested_precision=precision)


def prepare(
    scenario: Scenario | str | Path,
    strategy: str | Path | None,
    overrides: Mapping[str, object] | Sequence[str] | None,
    seed: int | None,
    device: str,
    strict: bool,
) -> Experiment:
    """Loads data and weights and composes the strategy, or those of the stand-in; see :func:`clsim.run`."""
    if isinstance(strategy, Strategy):
        raise ArgumentError("a scenario composes its own strategy; pass a name or a path, or run a stream")
    if isinstance(scenario, Scenario):
        if overrides:
            raise ArgumentError("a loaded scenario is not changed any more; give the overrides to load_scenario")
        scenario = scenario if strategy is None else scenario.with_strategy(str(strategy))
        scenario = scenario if seed is None else scenario.with_seed(seed)
    else:
        scenario = load_scenario(scenario, overrides, strategy=None if strategy is None else str(strategy), seed=seed)
    try:
        return _build(scenario, device)
    except (DataMissing, WeightsMissing) as missing:
        if strict or scenario.otherwise is None:
            raise
        stand_in, dropped = stand_in_for(scenario)
        stand_in = stand_in.model_copy(update={"trackers": scenario.trackers})
        because = missing.what + (f"; it runs without your {', '.join(dropped)}" if dropped else "")
        return _build(stand_in, device, {"scenario": scenario.name, "because": because, "fix": missing.fix or ""})


def stand_in_for(scenario: Scenario) -> tuple[Scenario, list[str]]:
    """The scenario's stand-in with the same strategy, seeds and what else of the changes made by hand fits it.

    Settings of the strategy fit, and so do seeds, where the stand-in draws by them. The stream is the stand-in's
    own, and so are the weights, unless they lie in a file.

    Returns:
        The stand-in, and the keys that were changed by hand and do not fit.
    """
    written = load_scenario(scenario.path, strategy=scenario.strategy)
    usual, chosen = written.selected_strategy.settings, scenario.selected_strategy.settings
    by_hand = scenario.sets_by_hand
    changed = {f"strategy.{key}": value for key, value in chosen.items() if value != usual.get(key) or by_hand(key)}
    own_weights = from_home(str(chosen.get("pretrained")), "strategy.pretrained").is_file()
    kept = {key: value for key, value in changed.items() if own_weights or key not in _WEIGHTS}
    before, after = written.stream.model_dump(), scenario.stream.model_dump()
    dropped = [key for key in changed if key not in kept]
    dropped += [f"stream.{key}" for key in after if after[key] != before.get(key)]
    dropped += [f"models.{key}" for key, recipe in scenario.models.items() if recipe != written.models.get(key)]
    for key in type(scenario.evaluation).model_fields:
        value = getattr(scenario.evaluation, key)
        if value == getattr(written.evaluation, key):
            continue
        if key in _EVALUATION_OF_ANY_STREAM:
            kept[f"evaluation.{key}"] = value
        else:
            dropped.append(f"evaluation.{key}")
    kept |= scenario.seeds_for(load_scenario(str(scenario.otherwise)))
    kept["validation"] = None if scenario.validation is None else scenario.validation.model_dump()
    stand_in = load_scenario(str(scenario.otherwise), kept, strategy=scenario.strategy, seed=scenario.seed)
    for key, seed in scenario.seeds.model_dump().items():
        if seed not in (None, getattr(written.seeds, key), getattr(stand_in.seeds, key)):
            dropped.append(f"seeds.{key}")
    return stand_in, dropped


_WEIGHTS = ("strategy.pretrained", "strategy.backbone", "strategy.quick_gelu")
_EVALUATION_OF_ANY_STREAM = ("forgetting", "batch_size", "memory", "metrics")  # the rest goes by the data set


def _build(scenario: Scenario, device: str, stands_in_for: dict[str, str] | None = None) -> Experiment:
    chosen = scenario.selected_strategy
    settings = dict(chosen.settings)
    requested = settings.get("precision")
    if isinstance(requested, str) and not scenario.sets_by_hand("precision"):
        settings["precision"] = usable(requested, device)
    build = load_strategy(chosen.path)
    if "device" in inspect.signature(build).parameters:
        settings["device"] = device
    stream: Stream | TextStream
    compared = None
    if isinstance(scenario.stream, TextUpgradeStream):
        stream = _text_stream(scenario.stream, scenario, device)
    else:
        head: Head = "simplex" if settings.get("head") == "simplex" else "learnable"
        plain = plain_stream(scenario)
        _check_published(scenario, len(plain))
        # Whatever may be missing or wrong is looked for before hours go into a model that is to arrive.
        compared = _compared(scenario, plain)
        named = settings.get("pretrained")
        if isinstance(named, str) and named in scenario.models:
            recipe = scenario.models[named]
            settings["pretrained"] = str(weights_file(named, recipe, head=head, device=device))
            if isinstance(recipe, CheckpointModel) and settings.get("quick_gelu", ...) is None:
                settings["quick_gelu"] = recipe.quick_gelu
        due = _due(scenario, plain)
        if due:
            _check_replaceable(build(plain, **settings), chosen.name, scenario.stream)
        stream = _with_models(plain, scenario, due, head, device)
    # Seeded after all data is there, so that what loading may draw cannot shift initialisation.
    seeds = scenario.effective_seeds
    weights = seeds.initialisation if seeds.apart else None
    strategy: Strategy = composed(partial(build, stream, **settings), order=seeds.order, initialisation=weights)
    if isinstance(stream, TextStream) and len(stream) > 1:
        _check_replaceable(strategy, chosen.name, scenario.stream)
    strategy.eval_mb_size = scenario.evaluation.batch_size
    _tell_if_enlarged(stream, strategy)
    requested = requested if isinstance(requested, str) else strategy.precision
    made = (scenario.name, chosen.name, scenario.seed, stream, strategy)
    return Experiment(*made, scenario, stands_in_for, compared, requested)


def _check_published(scenario: Scenario, sessions: int) -> None:
    """Refuse published rows of another length than the stream, which only its loaded data could tell."""
    for name, row in scenario.published.items():
        for key in BY_SESSION:
            figures = getattr(row, key)
            if figures is not None and len(figures) != sessions:
                what = f"{len(figures)} figures for {sessions} sessions (the base session counts)"
                raise UserError(what, where=f"{scenario.path}: published.{name}.{key}")


def _tell_if_enlarged(stream: Stream | TextStream, strategy: Strategy) -> None:
    sizes = [module.image_size for module in strategy.model.modules() if isinstance(module, Preprocess)]
    wanted = max((size for size in sizes if size is not None), default=0)
    warn_if_upscaled(stream.dataset.train, wanted)


def _compared(scenario: Scenario, plain: Stream) -> tuple[Images, Images] | None:
    compatibility = scenario.evaluation.compatibility
    compared = None if compatibility is None else compared_images(compatibility, plain, scenario.validation)
    if scenario.evaluation.service and compared and len(compared[1]) < len(plain):
        raise UserError(
            f"{len(compared[1])} gallery images cannot arrive in {len(plain)} sessions",
            where="evaluation.service",
            fix="raise evaluation.compatibility.images_per_class, or leave the service out",
        )
    return compared


def _text_stream(described: TextUpgradeStream, scenario: Scenario, device: str) -> TextStream:
    def loaded() -> list[ReplacementClip]:
        weights = scenario.effective_seeds.initialisation
        return load_clips(described.load, scenario.models, seed=weights, device=device)

    # First what may be missing at once: weights that must be fetched before images are decoded, images before a model
    # is made.
    made_here = any(isinstance(scenario.models[name], ClipRecipe) for name in described.load)
    clips = None if made_here else loaded()
    dataset = load_captions(described.dataset, image_size=described.image_size)
    if described.pairs is not None and described.pairs > len(dataset.train):
        what = f"{described.pairs} images with captions of {dataset.name}, which has {len(dataset.train)} to train on"
        raise UserError(what, where="stream.pairs")
    return text_upgrade(dataset, load=loaded() if clips is None else clips, pairs=described.pairs)


def make_stream(scenario: Scenario, *, head: Head = "learnable", device: str = "cpu") -> Stream | TextStream:
    """The stream a scenario describes, with the models that arrive in it.

    Args:
        scenario: loaded.
        head: with which a classifier that arrives was trained, where its recipe leaves it open.
        device: where a model that is missing is trained.

    Raises:
        UserError: the data set does not have what the scenario asks for; see also
            :func:`~clsim.experiment.replacements.load_replacements`.

    """
    if isinstance(scenario.stream, TextUpgradeStream):
        return _text_stream(scenario.stream, scenario, device)
    plain = plain_stream(scenario)
    return _with_models(plain, scenario, _due(scenario, plain), head, device)


def plain_stream(scenario: Scenario) -> Stream:
    """The stream without what arrives from elsewhere: data and classes."""
    described = scenario.stream
    dataset, validation = load_dataset(described.dataset, image_size=described.image_size), scenario.validation
    given = _arguments(scenario)
    if validation is not None:
        dataset = replace(dataset, test=dataset.train.subset([]))  # not even looked at
    if isinstance(described, FscilStream):
        stream = fscil(dataset, **given, tested=validation is None)  # lists count the images of the whole set
        return stream if validation is None else on_held_out(stream, validation.share, validation.seed)
    if validation is not None:
        dataset = held_out(dataset, validation.share, validation.seed)
    return upgrade(dataset, **given) if isinstance(described, UpgradeStream) else incremental(dataset, **given)


def _arguments(scenario: Scenario) -> dict[str, Any]:
    given = scenario.stream.model_dump(exclude={"kind", "dataset", "image_size", "replacements", "load"})
    seeds = scenario.effective_seeds
    drawn = {"splits": {"draw": seeds.shots}, "class_order": {"seed": seeds.classes}}
    return {key: drawn[key] if value == DRAWN else value for key, value in given.items()}


def _due(scenario: Scenario, plain: Stream) -> list[Moment]:
    described = scenario.stream
    return moments(described, len(plain)) if isinstance(described, ReplacementStream | UpgradeStream) else []


def _with_models(plain: Stream, scenario: Scenario, due: list[Moment], head: Head, device: str) -> Stream:
    if not due:
        return plain
    weights = scenario.effective_seeds.initialisation
    models = load_replacements(due, scenario.models, head=head, seed=weights, device=device)
    if isinstance(scenario.stream, UpgradeStream):
        loaded = {arriving.session: arriving.model for arriving in models}
        return upgrade(plain.dataset, **_arguments(scenario), load=[loaded.get(t) for t in range(len(plain))])
    return replacement(plain.dataset, **_arguments(scenario), replacements=models)


def _check_replaceable(strategy: Strategy, name: str, described: object) -> None:
    """A strategy that does not notice the models that arrive would pass for one that withstands them."""
    where, without = "stream.load", ""
    plugin: type = ClipUpgrade
    if isinstance(described, UpgradeStream):
        plugin, without = ModelUpgrade, "stream.load=null"
    elif isinstance(described, ReplacementStream):
        where, plugin, without = "stream.replacements", ModelReplacement, "stream.replacements=[]"
    if any(isinstance(present, plugin) for present in strategy.plugins):
        return
    able = [other for other, path in list_strategies().items() if plugin.__name__ in path.read_text()]
    raise UserError(
        f"models arrive in this stream, and the strategy {name} has no plugin {plugin.__name__} to put them in",
        where=where,
        fix=f"strategies that can: {', '.join(able)}" + (f"; or run without: --set {without}" if without else ""),
    )


NO_GPU = ("not compiled with CUDA", "no NVIDIA driver", "No CUDA GPUs are available", "no CUDA-capable device")
"""Parts of messages of a machine without a GPU, where there is nothing to say."""


def _best_device(start_cuda: Callable[[], object] = torch.cuda.init) -> str:
    """Return ``cuda`` where it can be used; else ``cpu``, with a line that says why if there is a GPU.

    Args:
        start_cuda: Function that raises what is wrong with CUDA.

    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own warning says the same in three lines
        if torch.cuda.is_available():
            return "cuda"
        try:
            start_cuda()
        except (RuntimeError, AssertionError) as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[0].partition(". ")[0]
            if not any(usual in str(error) for usual in NO_GPU) and not int(os.environ.get("RANK", "0")):
                print(f"clsim: device: cpu, since CUDA cannot be used: {clean(reason)}", file=sys.stderr)
    return "cpu"


def resolve_device(name: str) -> str:
    """``auto`` to what there is; a device that is not there is the user's error."""
    if name == "auto":
        return _best_device()
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UserError(f"unknown device {name!r}", where="--device", fix="choose auto, cpu, cuda or cuda:0")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"{name} is not there: this machine has {torch.cuda.device_count()} CUDA devices",
            where="--device",
        )
    return name
