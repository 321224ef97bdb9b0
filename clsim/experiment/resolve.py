"""Resolution of a scenario: its data, the images to compare versions on, and all weights, loaded or made.

All inputs are checked before a model is trained, which may take hours.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from clsim.config import Scenario
from clsim.config.checks.published import BY_SESSION
from clsim.config.models.classifier import Head
from clsim.config.models.recipe import CheckpointModel, ClipRecipe
from clsim.config.signatures import read_signature
from clsim.config.user_code import load_strategy
from clsim.data import load_captions, load_dataset
from clsim.data.core.captioned import CaptionDataSet
from clsim.data.core.held_out import held_out
from clsim.data.core.images import Images
from clsim.experiment.eval_sets import compared_images
from clsim.experiment.incoming import check_declared
from clsim.experiment.replacements import Moment, load_clips, load_frozen, load_replacements, moments, weights_file
from clsim.models.replacement_model import ReplacementClip
from clsim.streams import Replacement, Stream, fscil, incremental, upgrade
from clsim.streams.builders.validation import on_held_out
from clsim.streams.rules import too_few_pairs
from clsim.streams.settings import DRAWN, FscilStream, ReplacementStream, TextUpgradeStream, UpgradeStream
from clsim.training import Strategy
from clsim.utils.errors import UserError
from clsim.utils.precision import usable


@dataclass(frozen=True)
class Resolved:
    """Everything that a stream and a strategy are made from.

    Attributes:
        scenario: Scenario with all changes.
        build: Function ``build`` of the strategy's file.
        settings: Arguments of ``build`` after the stream.
        data: Data set with captions; or the sessions of images with class ids, without models.
        eval_sets: Query and gallery images on which versions are compared, one object if both are the same;
            ``None`` if versions are not compared, or are compared on captions.
        replacements: Models that arrive in a stream of classes.
        clips: Models of a stream of captions, one for each session.

    """

    scenario: Scenario
    build: Callable[..., Strategy]
    settings: Mapping[str, Any]
    data: Stream | CaptionDataSet
    eval_sets: tuple[Images, Images] | None = None
    replacements: tuple[Replacement, ...] = ()
    clips: tuple[ReplacementClip, ...] = ()


def resolve(scenario: Scenario, device: str = "cpu") -> Resolved:
    """Load everything that a scenario needs, and make the models that are missing.

    Args:
        scenario: Scenario to run.
        device: Device on which the strategy runs and missing models are trained.

    Raises:
        UserError: The data set lacks what the scenario asks for, a file is damaged, or the strategy declares that it
            cannot take the models of the stream.
        DataMissing: A data set is not here and cannot be fetched.
        WeightsMissing: Weights are not here and cannot be fetched.

    """
    chosen = scenario.selected_strategy
    build = load_strategy(chosen.path)
    settings = dict(chosen.settings)
    requested = settings.get("precision")
    if isinstance(requested, str) and not scenario.overrides_setting("precision"):
        settings["precision"] = usable(requested, device)
    if "device" in inspect.signature(build).parameters:
        settings["device"] = device
    if isinstance(scenario.stream, TextUpgradeStream):
        if len(scenario.stream.load) > 1:
            check_declared(chosen, scenario.stream)
        data, clips = _captioned(scenario.stream, scenario, device)
        return Resolved(scenario, build, settings, data, clips=clips)
    head: Head = "simplex" if settings.get("head") == "simplex" else "learnable"
    stream = plain_stream(scenario)
    _check_published(scenario, len(stream))
    eval_sets = _eval_sets(scenario, stream)
    due: list[Moment] = []
    if isinstance(scenario.stream, ReplacementStream | UpgradeStream):
        due = moments(scenario.stream, len(stream))
    if due:
        check_declared(chosen, scenario.stream)
    named = settings.get("pretrained")
    if isinstance(named, str) and named in scenario.models:
        recipe = scenario.models[named]
        settings["pretrained"] = str(weights_file(named, recipe, head=head, device=device))
        if isinstance(recipe, CheckpointModel) and settings.get("quick_gelu", ...) is None:
            settings["quick_gelu"] = recipe.quick_gelu
    seed = scenario.effective_seeds.initialisation
    for key in read_signature(chosen.path).models:
        if settings[key] is None:
            continue
        settings[key] = load_frozen(settings[key], scenario.models, head=head, seed=seed, device=device)
    models = load_replacements(due, scenario.models, head=head, seed=seed, device=device)
    return Resolved(scenario, build, settings, stream, eval_sets, tuple(models))


def plain_stream(scenario: Scenario) -> Stream:
    """Return a scenario's stream of classes without the models that arrive in it.

    Args:
        scenario: Scenario whose stream has classes.

    Raises:
        DataMissing: The data set is not here and cannot be fetched.
        UserError: The data set lacks what the scenario asks for.

    """
    described = scenario.stream
    dataset, validation = load_dataset(described.dataset, image_size=described.image_size), scenario.validation
    given = _arguments(scenario)
    if validation is not None:
        dataset = replace(dataset, test=dataset.train.subset([]))  # so that no test image is used by mistake
    if isinstance(described, FscilStream):
        # The standard lists index the whole training set, so the stream is cut before images are held out.
        stream = fscil(dataset, **given, tested=validation is None)
        return stream if validation is None else on_held_out(stream, validation.share, validation.seed)
    if validation is not None:
        dataset = held_out(dataset, validation.share, validation.seed)
    return upgrade(dataset, **given) if isinstance(described, UpgradeStream) else incremental(dataset, **given)


def _arguments(scenario: Scenario) -> dict[str, Any]:
    """Return the arguments of the stream's builder, with seeds in place of what is drawn."""
    given = scenario.stream.model_dump(exclude={"kind", "dataset", "image_size", "replacements", "load"})
    seeds = scenario.effective_seeds
    drawn = {"splits": {"draw": seeds.shots}, "class_order": {"seed": seeds.classes}}
    return {key: drawn[key] if value == DRAWN else value for key, value in given.items()}


def _check_published(scenario: Scenario, sessions: int) -> None:
    """Refuse published rows of another length than the stream, which may depend on the loaded data."""
    for name, row in scenario.published.items():
        for key in BY_SESSION:
            figures = getattr(row, key)
            if figures is not None and len(figures) != sessions:
                what = f"{len(figures)} figures for {sessions} sessions (the base session counts)"
                raise UserError(what, where=f"{scenario.path}: published.{name}.{key}")


def _eval_sets(scenario: Scenario, stream: Stream) -> tuple[Images, Images] | None:
    compatibility = scenario.evaluation.compatibility
    found = None if compatibility is None else compared_images(compatibility, stream, scenario.validation)
    if scenario.evaluation.service and found and len(found[1]) < len(stream):
        raise UserError(
            f"{len(found[1])} gallery images cannot arrive in {len(stream)} sessions",
            where="evaluation.service",
            fix="raise evaluation.compatibility.images_per_class, or leave the service out",
        )
    return found


def _captioned(
    described: TextUpgradeStream, scenario: Scenario, device: str
) -> tuple[CaptionDataSet, tuple[ReplacementClip, ...]]:
    def loaded() -> list[ReplacementClip]:
        seed = scenario.effective_seeds.initialisation
        return load_clips(described.load, scenario.models, seed=seed, device=device)

    # Fast failures first: fetch weights before decoding images, and decode images before training a model.
    trains = any(isinstance(scenario.models[name], ClipRecipe) for name in described.load)
    clips = None if trains else loaded()
    dataset = load_captions(described.dataset, image_size=described.image_size)
    if described.pairs is not None and described.pairs > len(dataset.train):
        raise UserError(too_few_pairs(described.pairs, dataset.name, len(dataset.train)), where="stream.pairs")
    return dataset, tuple(loaded() if clips is None else clips)
