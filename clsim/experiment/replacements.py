"""Models that arrive in a scenario's stream: their moments, and how they are loaded or made."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import nn

from clsim.config.models.classifier import Head
from clsim.config.models.recipe import CheckpointModel, OpenClipModel, TimmModel
from clsim.models import LoadedClip, load_clip
from clsim.models.checkpoints import read_weights
from clsim.models.clip import FORMAT as CLIP_FORMAT
from clsim.models.clip import Keys
from clsim.models.frozen_backbone import FrozenBackbone
from clsim.models.pretrained import PACKAGED, freeze, load_backbone
from clsim.models.replacement_model import FORMAT as CLASSIFIER_FORMAT
from clsim.models.replacement_model import (
    ReplacementClip,
    ReplacementModel,
    load_clip_tower,
    load_model,
    load_timm_model,
)
from clsim.pretraining import ClassifierRecipe, ClipRecipe, ModelRecipe, resolve_model
from clsim.streams import Replacement, poisson_arrivals
from clsim.streams.settings import DrawnReplacements, ReplacementStream, UpgradeStream
from clsim.utils.errors import UserError, WeightsMissing
from clsim.utils.files import from_home

Made = TypeVar("Made")


class Moment(NamedTuple):
    """Moment when a model arrives, as in :class:`~clsim.streams.Replacement`, with the model's name in the scenario."""

    model: str
    session: int
    after_iterations: int = 0
    after_share: float | None = None


def moments(described: ReplacementStream | UpgradeStream, sessions: int) -> list[Moment]:
    """Return the moments that a scenario lists or that its Poisson process draws.

    Drawn models arrive in their order until there are no more. Models that an upgrade stream loads arrive before their
    sessions.

    Args:
        described: Block ``stream``.
        sessions: Number of sessions of the stream.

    Example:
        >>> text = "{kind: replacement, dataset: shapes, base_classes: 10, ways: 15, replacements: "
        >>> text += "{poisson: {rate: 0.5, seed: 7}, models: [better], initial: first}}"
        >>> import yaml
        >>> moments(ReplacementStream.model_validate(yaml.safe_load(text)), sessions=7)[0]
        Moment(model='first', session=0, after_iterations=0, after_share=None)

    """
    if isinstance(described, UpgradeStream):
        return [Moment(name, session) for session, name in enumerate(described.load or []) if name is not None]
    given = described.replacements
    if isinstance(given, DrawnReplacements):
        first = [] if given.initial is None else [Moment(given.initial, 0)]
        drawn = poisson_arrivals(given.poisson.rate, sessions, given.poisson.seed, len(given.models))
        # As a share, since the number of iterations of a session is known only in training.
        return first + [Moment(name, int(time), 0, time % 1) for name, time in zip(given.models, drawn, strict=False)]
    return [
        Moment(item.model, item.during or 0, item.after_iterations or 0)
        if item.before is None
        else Moment(item.model, item.before)
        for item in given
    ]


def load_replacements(
    due: Iterable[Moment], recipes: Mapping[str, ModelRecipe], *, head: Head, seed: int, device: str
) -> list[Replacement]:
    """Return replacements with their models, each loaded or made once. torch's CPU generator does not change.

    Args:
        due: Moments of all replacements.
        recipes: Block ``models`` of the scenario.
        head: Head of a classifier whose recipe leaves it open.
        seed: Seed of random weights, combined with the model's name.
        device: Device on which a missing model is trained.

    Raises:
        UserError: A file is missing or damaged, or an architecture is unknown.
        DataMissing: A model must be made, and its training data is not here.
        WeightsMissing: Weights are not here and cannot be fetched.

    """
    due = list(due)
    names = [moment.model for moment in due]
    found = _each_once(names, lambda name: load_replacement(name, recipes[name], head=head, device=device), seed)
    return [Replacement(found[name], session, after, share) for name, session, after, share in due]


def _each_once(names: Iterable[str], load: Callable[[str], Made], seed: int) -> dict[str, Made]:
    """Load every named model once, with random weights by seed and name, and restore the global generator."""
    found: dict[str, Made] = {}
    with torch.random.fork_rng(devices=[]):
        for name in dict.fromkeys(names):
            torch.manual_seed(random.Random(f"{seed}/{name}").getrandbits(63))
            found[name] = load(name)
    return found


def load_replacement(name: str, recipe: ModelRecipe, *, head: Head, device: str) -> ReplacementModel:
    """Return a model of the block ``models``; see :func:`load_replacements`."""
    if isinstance(recipe, TimmModel):
        return load_timm_model(name, recipe.name, weights=recipe.weights, image_size=recipe.image_size)
    if isinstance(recipe, (ClipRecipe, ClassifierRecipe, CheckpointModel)):
        backbone = recipe.backbone if isinstance(recipe, CheckpointModel) else None
        return load_model(name, weights_file(name, recipe, head=head, device=device), backbone)
    return load_clip_tower(name, recipe.model, recipe.pretrained, quick_gelu=recipe.quick_gelu)


def load_frozen(name: str, recipes: Mapping[str, ModelRecipe], *, head: Head, seed: int, device: str) -> FrozenBackbone:
    """Return the frozen backbone that a setting of a strategy names.

    Args:
        name: Entry of the block ``models``, or name of a timm model: with the weights of an installed package where
            one has them, else with those of the hub.
        recipes: Block ``models`` of the scenario.
        head: Head of a classifier whose recipe leaves it open.
        seed: Seed of random weights, combined with the model's name.
        device: Device on which a missing model is trained.

    Raises:
        UserError: There is no such model, or its file is damaged.
        DataMissing: The model must be made, and its training data is not here.
        WeightsMissing: The weights are not here and cannot be fetched.

    """

    def load(name: str) -> nn.Module:
        if name in recipes:
            return load_replacement(name, recipes[name], head=head, device=device).backbone
        return load_backbone(name, "registry" if name in PACKAGED else "hub", key=f"models.{name}")

    return freeze(_each_once([name], load, seed)[name], name)


def load_clips(
    names: Iterable[str], recipes: Mapping[str, ModelRecipe], *, seed: int, device: str
) -> list[ReplacementClip]:
    """Return the image-text models of a stream, each loaded or made once; see :func:`load_replacements`."""
    names = list(names)
    found = _each_once(names, lambda name: ReplacementClip(name, _load_clip(name, recipes[name], device)), seed)
    return [found[name] for name in names]


def _load_clip(name: str, recipe: ModelRecipe, device: str) -> LoadedClip:
    if isinstance(recipe, OpenClipModel):
        try:
            return load_clip(
                recipe.model, recipe.pretrained, quick_gelu=recipe.quick_gelu, keys=Keys.of_model(name, in_file=False)
            )
        except WeightsMissing as error:  # its fix names settings of a strategy
            fix = f"Run once with a network, or name a file: models.{name}: "
            fix += f"{{kind: checkpoint, path: ..., backbone: {recipe.model}}}."
            raise WeightsMissing(error.what, where=error.where, fix=fix) from error
    if isinstance(recipe, ClipRecipe):
        return load_clip(name, weights_file(name, recipe, head="learnable", device=device))
    if isinstance(recipe, CheckpointModel):
        path = from_home(recipe.path, f"models.{name}.path")
        made_as = read_weights(path, f"models.{name}.path")[1].get("format")
        if made_as == CLASSIFIER_FORMAT:
            raise UserError(f"{name} is a classifier and has no text tower", where=str(path), fix="name a CLIP")
        if recipe.backbone is None and made_as != CLIP_FORMAT:
            fix = f"set models.{name}.backbone to open_clip's name of the architecture"
            raise UserError(f"the checkpoint of {name} does not name its CLIP architecture", where=str(path), fix=fix)
        return load_clip(
            recipe.backbone or name, path, quick_gelu=recipe.quick_gelu, keys=Keys.of_model(name, in_file=True)
        )
    raise UserError(f"{name} is a model of kind {recipe.kind} and has no text tower", where="stream.load")


def weights_file(name: str, recipe: ModelRecipe, *, head: Head, device: str) -> Path:
    """Return the weights file of a model of the block ``models``, made first if it is missing.

    Raises:
        UserError: The model has no file, since a library loads it; see also :func:`load_replacements`.

    """
    if isinstance(recipe, CheckpointModel):
        return from_home(recipe.path, f"models.{name}.path")
    if isinstance(recipe, ClassifierRecipe):
        return resolve_model(name, recipe.with_head(head), device=device)
    if isinstance(recipe, ClipRecipe):
        return resolve_model(name, recipe, device=device)
    raise UserError(
        f"{name} is a model of {recipe.kind} without a weights file: it can arrive, but no strategy can start with it",
        where=f"models.{name}",
        fix="set backbone and pretrained of the strategy to its architecture and weights",
    )
