"""Replacement models, trained elsewhere, and the files that hold them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import timm
import torch
from torch import Tensor, nn

from clsim.models.backbones import SMALL_RESNETS, check_tag, make_backbone
from clsim.models.checkpoints import CLASSIFIER_KEYS, check_finite, fill, read_weights, weights_sha256
from clsim.models.clip import FORMAT as CLIP_FORMAT
from clsim.models.clip import Keys, LoadedClip, load_clip
from clsim.models.clip_tower import ClipImageTower
from clsim.models.pretrained import load_backbone, trained_kernel, trained_size
from clsim.utils.errors import UserError
from clsim.utils.files import save_tensors

FORMAT = "clsim-classifier/1"


@dataclass(frozen=True, eq=False)
class ReplacementModel:
    """A trained backbone, with its projection into a d-simplex if it was trained with one.

    Args:
        name: Name in scenarios and results.
        backbone: Network from images in [0, 1] to ``(B, backbone.num_features)``.
        projection: Matrix ``(K - 1, num_features)`` from features to the space of a simplex of K vertices; None for a
            model that was trained without a simplex.

    """

    name: str
    backbone: nn.Module
    projection: Tensor | None = None

    @property
    def width(self) -> int:
        """Length of the feature vectors."""
        width: Any = self.backbone.num_features
        return int(width)

    @property
    def sha256(self) -> str:
        """Hash of the backbone's weights."""
        return weights_sha256(self.backbone)


@dataclass(frozen=True, eq=False)
class ReplacementClip:
    """A trained image-text model.

    Args:
        name: Name in scenarios and results.
        clip: Loaded CLIP.

    """

    name: str
    clip: LoadedClip

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
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
    """Write clsim's format: one safetensors file with the backbone and its projection or classifier.

    Matrices are stored in half precision; gains, biases and running statistics, which may be large, in float32.

    Args:
        path: Path of the file, which is written whole or not at all.
        backbone: Network of :func:`~clsim.models.backbones.make_backbone`.
        architecture: Name that it was made with.
        name: Name of the model.
        head: Kind of the head that it was trained with.
        top: Projection into the simplex ``(K - 1, D)``, or learned classifier ``(N, D)``.
        dimensions: Length of the features that the last block emits, if the backbone was made with one.

    Raises:
        OSError: The file could not be written.

    """
    state = {f"backbone.{key}": value for key, value in backbone.state_dict().items()}
    state["projection" if head == "simplex" else "classifier"] = top
    stored = {key: value.half() if value.ndim > 1 else value for key, value in state.items()}
    metadata = {"format": FORMAT, "name": name, "backbone": architecture, "head": head}
    save_tensors(path, stored, metadata if dimensions is None else {**metadata, "dimensions": str(dimensions)})


def load_model(name: str, path: Path, backbone: str | None = None) -> ReplacementModel:
    """Load a model from a file.

    Args:
        name: Name in the scenario.
        path: Path of a classifier or CLIP in clsim's format, or of the state dict of a backbone.
        backbone: Architecture of a state dict.

    Raises:
        UserError: The file is missing or damaged, or its weights do not fit the architecture.

    """
    state, metadata = read_weights(path, f"models.{name}.path")
    if metadata.get("format") == CLIP_FORMAT:
        return ReplacementModel(name, ClipImageTower(load_clip(name, path)))
    if metadata.get("format") == FORMAT:
        return _own(name, path, state, metadata)
    if backbone is None:
        fix = f"Set models.{name}.backbone to the architecture the weights were trained with."
        raise UserError(f"the checkpoint of {name} does not name its architecture", where=str(path), fix=fix)
    network = make_backbone(backbone, **_of_tag(backbone))
    _warn_of_other_means(name, backbone, path)
    fill(network.body, state, path, backbone, f"models.{name}.backbone", without=CLASSIFIER_KEYS)
    return ReplacementModel(name, network)


def _of_tag(name: str) -> dict[str, Any]:
    """Return size and kernel of the resize of a timm name with a tag; nothing for a name without one."""
    if "." not in name or not timm.is_model(name):
        return {}
    check_tag(name)
    return {"image_size": trained_size(name), "interpolation": trained_kernel(name)}


def _warn_of_other_means(name: str, backbone: str, path: Path) -> None:
    """Warn if an architecture is published with several normalizations and the name does not select one."""
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
            f"{path}: weights of {backbone} are published for images normalized in {len(by_mean)} ways ({known}); "
            f"the first is used. Name the weights, as in models.{name}.backbone: {next(iter(by_mean.values()))}",
            stacklevel=3,
        )


def load_timm_model(name: str, model: str, *, weights: str = "hub", image_size: int | None = None) -> ReplacementModel:
    """Load a timm model, see :func:`~clsim.models.pretrained.load_backbone`.

    Args:
        name: Name in the scenario.
        model: Name of the architecture; with random weights also of one of clsim's small networks.
        weights: Source of the weights.
        image_size: Side in pixels that images are resized to; None: the size that the weights were trained with.

    Raises:
        UserError: There is no such model, or its file is damaged.
        WeightsMissing: Its weights are not here and cannot be fetched.

    """
    return ReplacementModel(name, load_backbone(model, weights, image_size=image_size, key=f"models.{name}"))


def load_clip_tower(
    name: str, model: str, pretrained: str | None, device: str = "cpu", quick_gelu: bool | None = None
) -> ReplacementModel:
    """Load the image tower of a CLIP, see :func:`~clsim.models.clip.load_clip`.

    Args:
        name: Name in the scenario.
        model: open_clip's name of the architecture.
        pretrained: Tag of open_clip's weights; None: random weights.
        device: Device of the model.
        quick_gelu: Activation; None: that of the tag.

    """
    clip = load_clip(model, pretrained, device=device, quick_gelu=quick_gelu, keys=Keys.of_model(name, in_file=False))
    return ReplacementModel(name, ClipImageTower(clip))


def _own(name: str, path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> ReplacementModel:
    architecture = metadata.get("backbone", "")
    length = metadata.get("dimensions")
    if length is not None and not (length.isascii() and length.isdecimal() and int(length) > 0):
        raise UserError(f"the length of the features of {name} is {length!r}, not a number", where=str(path))
    network = make_backbone(architecture, dimensions=None if length is None else int(length))
    own = {key.removeprefix("backbone."): value.float() for key, value in state.items() if key.startswith("backbone.")}
    counters = {key: value for key, value in network.state_dict().items() if not value.is_floating_point()}
    own.update({key: state[f"backbone.{key}"] for key in counters if f"backbone.{key}" in state})
    fill(network, own, path, architecture)
    projection = state.get("projection")
    if projection is not None:
        check_finite("projection", projection, path)
    if projection is not None and (projection.ndim != 2 or projection.shape[1] != network.num_features):
        raise UserError(
            f"the projection of {name} is {list(projection.shape)}, not of width {network.num_features}",
            where=str(path),
        )
    return ReplacementModel(name, network, None if projection is None else projection.to(torch.float32))
