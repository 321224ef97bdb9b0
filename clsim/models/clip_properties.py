"""Properties of a CLIP that its weights do not show: the activation and the preparation of its images."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, get_args

import open_clip
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.model import CLIPTextCfg, CLIPVisionCfg

from clsim.models.preprocess import Interpolation, ResizeMode
from clsim.utils.errors import UserError

CONFIG = "open_clip_config.json"
OPENAI = ("input_resolution", "context_length", "vocab_size")
"""Numbers beside the weights that only OpenAI's archives and state dicts contain."""
TRAINING_ONLY = ("patch_dropout", "timm_drop", "timm_drop_path", "timm_model_pretrained", "hf_model_pretrained")
"""Settings of a tower that have no effect in evaluation."""


class Preparation(NamedTuple):
    """Preparation of a model's images: mean and standard deviation per channel, and the resize."""

    mean: tuple[float, ...] = OPENAI_DATASET_MEAN
    std: tuple[float, ...] = OPENAI_DATASET_STD
    interpolation: Interpolation = "bicubic"
    resize_mode: ResizeMode = "shortest"


@dataclass(frozen=True)
class ClipProperties:
    """Properties that a tag of open_clip implies and a file may not show.

    Attributes:
        quick_gelu: Whether the activation is QuickGELU, as in OpenAI's models, or GELU.
        preparation: Preparation of the images.
        source: Source of the activation.
        remarks: Warnings, one sentence each.

    """

    quick_gelu: bool
    preparation: Preparation
    source: str
    remarks: tuple[str, ...] = ()


def read_preparation(config: Mapping[str, Any], otherwise: Preparation | None = None) -> Preparation:
    """Return the preparation of images that one of open_clip's configurations describes.

    Args:
        config: Configuration with any of the keys mean, std, interpolation and resize_mode.
        otherwise: Values of missing keys; None: those of OpenAI's models.

    Raises:
        ValueError: It describes another kind of preparation.

    Example:
        >>> read_preparation({"interpolation": "bilinear"}).interpolation
        'bilinear'

    """
    found = (otherwise or Preparation())._asdict()
    found |= {key: config[key] for key in found if config.get(key) is not None}
    for key in ("mean", "std"):
        found[key] = tuple(map(float, found[key]))
        if len(found[key]) != 3:
            raise ValueError(f"{key} has {len(found[key])} channels, not 3")
    for key, choices in (("interpolation", get_args(Interpolation)), ("resize_mode", get_args(ResizeMode))):
        if found[key] not in choices:
            raise ValueError(f"{key} is {found[key]!r}, not one of {', '.join(choices)}")
    return Preparation(**found)


def published(backbone: str) -> dict[str, ClipProperties]:
    """Return the properties of all weights that open_clip publishes for an architecture, by tag."""
    own = bool((open_clip.get_model_config(backbone) or {}).get("quick_gelu", False))
    found = {}
    for tag in open_clip.list_pretrained_tags_by_model(backbone):
        config = open_clip.get_pretrained_cfg(backbone, tag)
        quick = own or bool(config.get("quick_gelu", False))
        found[tag] = ClipProperties(quick, read_preparation(config), "its tag")
    return found


def properties_of_file(
    backbone: str,
    architecture: Mapping[str, Any],
    path: Path,
    state: Iterable[str],
    *,
    quick_gelu: bool | None = None,
    key: str = "strategy.quick_gelu",
) -> ClipProperties:
    """Return the properties of weights in a file.

    Sources, in this order: the setting, a configuration beside the file, the form of OpenAI's files, the architecture,
    the published weights of this architecture if they all agree.

    Args:
        backbone: open_clip's name of the architecture.
        architecture: Configuration of the architecture.
        path: Path of the file.
        state: Names of its tensors.
        quick_gelu: Setting of the activation; None: none was given.
        key: Key of the setting in the scenario, for the message.

    Raises:
        UserError: The activation is unknown, or two sources contradict each other.

    """
    config = _config_beside(path)
    _check_architecture(config.get("model_cfg", {}), architecture, path, backbone)
    tags = published(backbone)
    openai = {name.rpartition(".")[2] for name in state} >= set(OPENAI)
    quick, source = _activation(backbone, architecture, config, openai, tags, path, quick_gelu, key)
    usual, remarks = _usual(backbone, quick, {} if openai else tags, path)
    try:
        preparation = read_preparation(config.get("preprocess_cfg", {}), usual)
    except (ValueError, TypeError) as error:
        raise UserError(f"preprocess_cfg: {error}", where=str(path.with_name(CONFIG))) from error
    if "preprocess_cfg" in config:
        remarks = ()
    return ClipProperties(quick, preparation, source, remarks)


def _config_beside(path: Path) -> dict[str, Any]:
    beside = path.with_name(CONFIG)
    try:
        config = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    except (ValueError, RecursionError) as error:
        raise UserError(f"not a JSON file ({error})", where=str(beside)) from error
    if not all(isinstance(part, dict) for part in (config, *(config.values() if isinstance(config, dict) else ()))):
        raise UserError("not a configuration of open_clip: its parts are not tables", where=str(beside))
    return dict(config)


def _check_architecture(beside: Mapping[str, Any], named: Mapping[str, Any], path: Path, backbone: str) -> None:
    """Check that the configuration beside a file does not describe another model of the same shapes."""
    for tower, kind in (("vision_cfg", CLIPVisionCfg), ("text_cfg", CLIPTextCfg)):
        if not isinstance(beside.get(tower), dict):
            continue
        known = {field.name for field in fields(kind)} - set(TRAINING_ONLY)
        sides: list[dict[str, Any]] = [
            asdict(kind(**{key: value for key, value in side[tower].items() if key in known}))
            for side in (beside, named)
        ]
        for key in sorted(known):
            one, other = (json.dumps(side[key]) for side in sides)
            if one != other:
                raise UserError(
                    f"{tower}.{key} is {one}, and {other} in {backbone}",
                    where=str(path.with_name(CONFIG)),
                    fix="Name the architecture that the weights were trained with, or remove this file.",
                )


def _activation(
    backbone: str,
    architecture: Mapping[str, Any],
    config: Mapping[str, Any],
    openai: bool,
    tags: Mapping[str, ClipProperties],
    path: Path,
    quick_gelu: bool | None,
    key: str,
) -> tuple[bool, str]:
    own = bool(architecture.get("quick_gelu", False))
    if quick_gelu is not None:
        return quick_gelu, "the setting quick_gelu"
    if "model_cfg" in config:
        beside = bool(config["model_cfg"].get("quick_gelu", False))
        if own and not beside:
            raise UserError(
                f"{CONFIG} beside the checkpoint says GELU, and {backbone} has QuickGELU",
                where=str(path),
                fix=f"Set {key} to true or false.",
            )
        return beside, CONFIG
    if openai:
        return True, "the form of OpenAI's files"
    if own:
        return True, "the architecture"
    kinds = {each.quick_gelu for each in tags.values()}
    if len(kinds) == 1:
        return kinds.pop(), f"all published weights of {backbone}"
    if not kinds:
        return own, "the architecture"
    some = {kind: [tag for tag, each in tags.items() if each.quick_gelu is kind] for kind in (True, False)}
    raise UserError(
        f"the activation of the checkpoint is unknown: {backbone} is published with two",
        where=str(path),
        fix=f"Set {key} to true (as in {_list(some[True])}) or to false (as in {_list(some[False])}); "
        f"in Python: load_clip(..., quick_gelu=...).",
    )


def _list(tags: Sequence[str], most: int = 4) -> str:
    return ", ".join(tags[:most]) + (f" and {len(tags) - most} more" if len(tags) > most else "")


def usual_preparation(backbone: str) -> Preparation:
    """Return the preparation of images that most published weights of an architecture need."""
    return _most([each.preparation for each in published(backbone).values()])


def _most(found: Sequence[Preparation]) -> Preparation:
    return Counter(found).most_common(1)[0][0] if found else Preparation()


def _usual(
    backbone: str, quick: bool, tags: Mapping[str, ClipProperties], path: Path
) -> tuple[Preparation, tuple[str, ...]]:
    """Return the preparation of the published weights with this activation, and a remark if they disagree."""
    alike = {tag: each.preparation for tag, each in tags.items() if each.quick_gelu is quick}
    alike = alike or {tag: each.preparation for tag, each in tags.items()}
    usual = _most(list(alike.values()))
    others = {tag: each for tag, each in alike.items() if each != usual}
    if not others:
        return usual, ()
    differences = "; ".join(f"{tag}: {_difference(each, usual)}" for tag, each in others.items())
    return usual, (
        f"{path}: published weights of {backbone} need images prepared in different ways; these get mean {usual.mean}, "
        f"std {usual.std}, {usual.interpolation}, {usual.resize_mode}. Other weights: {differences}. For these write "
        f'{CONFIG} beside the file: {{"preprocess_cfg": {{...}}}}',
    )


def _difference(one: Preparation, usual: Preparation) -> str:
    pairs = zip(one._asdict().items(), usual, strict=True)
    return ", ".join(f"{key} {value}" for (key, value), other in pairs if value != other)
