"""A model that arrives from elsewhere, and the files it arrives in."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import timm
import torch
from torch import Tensor, nn

from clsim.models.backbones import SMALL_RESNETS, check_tag, make_backbone
from clsim.models.checkpoints import check_finite, fill, read_weights, weights_sha256
from clsim.models.clip import FORMAT as CLIP_FORMAT
from clsim.models.clip import Keys, LoadedClip, load_clip
from clsim.models.clip_tower import ClipImageTower
from clsim.models.hub import cached_if_unreachable
from clsim.models.preprocess import Interpolation
from clsim.utils.errors import UserError, WeightsMissing
from clsim.utils.files import save_tensors

FORMAT = "clsim-classifier/1"
CLASSIFIER_KEYS = re.compile(r"(fc|head|classifier|head\.fc)\.(weight|bias)")
"""How the usual libraries name the classifier on top of a backbone, which does not travel with it."""


@dataclass(frozen=True, eq=False)
class ReplacementModel:
    """A trained backbone, and its way into a d-simplex if it was trained with one.

    Args:
        name: what it is called in scenarios and results.
        backbone: images in [0, 1] to ``(B, backbone.num_features)``.
        projection: ``(K - 1, num_features)``, features to the space of a simplex of K vertices; ``None`` for a
            model that knows of no simplex.

    """

    name: str
    backbone: nn.Module
    projection: Tensor | None = None

    @property
    def width(self) -> int:
        """Length of its feature vectors."""
        width: Any = self.backbone.num_features
        return int(width)

    @property
    def sha256(self) -> str:
        """Of the backbone's weights."""
        return weights_sha256(self.backbone)


@dataclass(frozen=True, eq=False)
class ReplacementClip:
    """A trained image-text model, both towers of it.

    Args:
        name: what it is called in scenarios and results.
        clip: as it was loaded.

    """

    name: str
    clip: LoadedClip

    @property
    def sha256(self) -> str:
        """Of its weights."""
        return self.clip.sha256


def save_classifier(
    path: Path,
    backbone: nn.Module,
    *,
    architecture: str,
    name: str,
    head: Literal["simplex", "learnable"],
    top: Tensor,
    dimensions: int | None = None,
) -> None:
    """Writes clsim's own format: one safetensors file with the backbone and what stands on it.

    Matrices are kept in half precision; gains, biases and running averages, which may be large, in float32.

    Args:
        path: of the file; written whole or not at all.
        backbone: made by :func:`~clsim.models.backbones.make_backbone`.
        architecture: the name it was made by.
        name: what the model is called.
        head: ``simplex`` or ``learnable``.
        top: ``(K - 1, D)``, the projection into the simplex; or ``(N, D)``, the learnt classifier.
        dimensions: Length of the features that the last block emits, where the backbone was made with one.

    Raises:
        OSError: the file could not be written.

    """
    state = {f"backbone.{key}": value for key, value in backbone.state_dict().items()}
    state["projection" if head == "simplex" else "classifier"] = top
    stored = {key: value.half() if value.ndim > 1 else value for key, value in state.items()}
    metadata = {"format": FORMAT, "name": name, "backbone": architecture, "head": head}
    save_tensors(path, stored, metadata if dimensions is None else {**metadata, "dimensions": str(dimensions)})


def load_model(name: str, path: Path, backbone: str | None = None) -> ReplacementModel:
    """A model from a file.

    Args:
        name: what the scenario calls it.
        path: clsim's own classifier or CLIP; or the state dict of a backbone, with or without its classifier.
        backbone: the architecture, for a state dict.

    Raises:
        UserError: no such file, a damaged one, or weights that do not fit the architecture.

    """
    state, metadata = read_weights(path, f"models.{name}.path")
    if metadata.get("format") == CLIP_FORMAT:
        return ReplacementModel(name, ClipImageTower(load_clip(name, path)))
    if metadata.get("format") == FORMAT:
        return _own(name, path, state, metadata)
    if backbone is None:
        fix = f"Set models.{name}.backbone to the architecture the weights were trained with."
        raise UserError(f"the checkpoint of {name} does not say what architecture it is of", where=str(path), fix=fix)
    network = make_backbone(backbone, **_of_tag(backbone))
    _tell_other_means(name, backbone, path)
    fill(network.body, state, path, backbone, f"models.{name}.backbone", without=CLASSIFIER_KEYS)
    return ReplacementModel(name, network)


def _of_tag(name: str) -> dict[str, Any]:
    """Size and kernel of the resize that the tag in timm's name tells; nothing for a name without one."""
    if "." not in name or not timm.is_model(name):
        return {}
    check_tag(name)
    config = timm.get_pretrained_cfg(name)
    return {"image_size": None if config is None else config.input_size[-1], "interpolation": _kernel(name)}


def _kernel(name: str) -> Interpolation:
    config = timm.get_pretrained_cfg(name)
    return "bilinear" if config is not None and config.interpolation == "bilinear" else "bicubic"


def _tell_other_means(name: str, backbone: str, path: Path) -> None:
    """Warn where an architecture is published with several normalisations and the name does not say which."""
    if backbone in SMALL_RESNETS or "." in backbone:
        return
    default = timm.get_pretrained_cfg(backbone)
    own = [] if default is None else [f"{default.architecture}.{default.tag}"]
    by_mean: dict[tuple[float, ...], str] = {}
    for tag in [*own, *timm.list_pretrained(backbone)]:
        config = timm.get_pretrained_cfg(tag)
        if config is not None:
            by_mean.setdefault(tuple(config.mean), tag)
    if len(by_mean) > 1:
        known = "; ".join(f"{tag}: mean {', '.join(f'{value:.3g}' for value in mean)}" for mean, tag in by_mean.items())
        warnings.warn(
            f"{path}: weights of {backbone} are published for images normalised in {len(by_mean)} ways ({known}); "
            f"these get the first. Name the weights as in models.{name}.backbone: {next(iter(by_mean.values()))}",
            stacklevel=3,
        )


def load_timm_model(name: str, model: str, *, pretrained: bool = True) -> ReplacementModel:
    """A timm model, or one of clsim's small networks with random weights.

    Raises:
        UserError: there is no such model.
        WeightsMissing: its weights are not here and cannot be fetched.

    """
    if pretrained and model not in SMALL_RESNETS and timm.is_model(model):
        check_tag(model)
        try:
            with cached_if_unreachable():
                return ReplacementModel(name, make_backbone(model, pretrained=True, interpolation=_kernel(model)))
        except (OSError, RuntimeError, ValueError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise WeightsMissing(
                f"the weights of timm's {model} are not on this machine and could not be fetched ({first})",
                fix=f"Run once with a network, or name a file: models.{name}: {{kind: checkpoint, path: ...}}.",
            ) from error
    return ReplacementModel(name, make_backbone(model, pretrained=pretrained))


def load_clip_tower(
    name: str, model: str, pretrained: str | None, device: str = "cpu", quick_gelu: bool | None = None
) -> ReplacementModel:
    """The image tower of a CLIP, see :func:`~clsim.models.clip.load_clip`."""
    clip = load_clip(model, pretrained, device=device, quick_gelu=quick_gelu, keys=Keys.of_model(name, in_file=False))
    return ReplacementModel(name, ClipImageTower(clip))


def _own(name: str, path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> ReplacementModel:
    architecture = metadata.get("backbone", "")
    length = metadata.get("dimensions")
    if length is not None and not (length.isascii() and length.isdecimal() and int(length) > 0):
        raise UserError(f"the length of {name}'s features is {length!r}, no number", where=str(path))
    network = make_backbone(architecture, dimensions=None if length is None else int(length))
    own = {key.removeprefix("backbone."): value.float() for key, value in state.items() if key.startswith("backbone.")}
    counters = {key: value for key, value in network.state_dict().items() if not value.is_floating_point()}
    own.update({key: state[f"backbone.{key}"] for key in counters if f"backbone.{key}" in state})
    fill(network, own, path, architecture)
    projection = state.get("projection")
    if projection is not None:
        check_finite("projection", projection, path)
    if projection is not None and (projection.ndim != 2 or projection.shape[1] != network.num_features):
        raise UserError(f"the projection of {name} does not fit its backbone", where=str(path))
    return ReplacementModel(name, network, None if projection is None else projection.to(torch.float32))
