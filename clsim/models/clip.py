"""Loading of open_clip models from a name and a tag, from a checkpoint, or from clsim's format."""

from __future__ import annotations

import difflib
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, cast

import open_clip
import torch
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.transformer import QuickGELU
from torch import Tensor, nn

from clsim.models.architecture import read_architecture
from clsim.models.checkpoints import SUFFIXES, fill, read_weights, weights_sha256
from clsim.models.clip_names import converted
from clsim.models.clip_properties import ClipProperties, properties_of_file, published, usual_preparation
from clsim.models.feature_tokens import build_clip
from clsim.models.hub import cached_if_unreachable, package_missing
from clsim.models.preprocess import Interpolation, Preprocess, ResizeMode
from clsim.models.teacher import TEACHER_WEIGHTS, TeacherFacts
from clsim.models.tokenizer import CompactTokenizer
from clsim.models.towers import read_text
from clsim.utils.errors import UserError, WeightsMissing
from clsim.utils.files import from_home, save_tensors

FORMAT = "clsim-clip/1"


class Keys(NamedTuple):
    """Keys of a scenario that describe a CLIP, for messages."""

    weights: str = "strategy.pretrained"
    backbone: str = "strategy.backbone"
    quick_gelu: str = "strategy.quick_gelu"

    @classmethod
    def of_model(cls, name: str, *, in_file: bool) -> Keys:
        """Return the keys of an entry of ``models:``.

        Args:
            name: Name of the entry.
            in_file: Whether it is a checkpoint; else a model of open_clip.

        """
        weights, backbone = ("path", "backbone") if in_file else ("pretrained", "model")
        return cls(*(f"models.{name}.{key}" for key in (weights, backbone, "quick_gelu")))


STRATEGY = Keys()


@dataclass(frozen=True)
class LoadedClip:
    """A frozen CLIP with the preparation of its inputs.

    Attributes:
        model: open_clip's module, frozen and in evaluation mode.
        tokenizer: Function from texts to int64 ``(n, L)``.
        mean: Mean per channel, for images in [0, 1].
        std: Standard deviation per channel.
        image_size: Side of the square images, in pixels.
        name: Name of architecture and weights.
        sha256: Hash of the weights, the same for every file format.
        interpolation: Kernel of the resize, see :class:`~clsim.models.preprocess.Preprocess`.
        resize_mode: Treatment of images that are not square, see :class:`~clsim.models.preprocess.Preprocess`.
        source: Source of the activation.
        remarks: Warnings of the loading.

    """

    model: nn.Module
    tokenizer: Callable[[list[str]], Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    name: str
    sha256: str
    interpolation: Interpolation = "bicubic"
    resize_mode: ResizeMode = "shortest"
    source: str = "the model"
    remarks: tuple[str, ...] = ()

    def preprocess(self) -> Preprocess:
        """Return the module that prepares images for this model."""
        return Preprocess(
            self.mean, self.std, self.image_size, interpolation=self.interpolation, resize_mode=self.resize_mode
        )

    def facts(self) -> dict[str, Any]:
        """Return the properties for a manifest that the weights do not show."""
        return {
            "name": self.name,
            "weights_sha256": self.sha256,
            # Of the model that runs, not of the setting that made it.
            "activation": "QuickGELU" if any(isinstance(m, QuickGELU) for m in self.model.modules()) else "GELU",
            "activation_known_from": self.source,
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
            "resize_mode": self.resize_mode,
            "image_size": self.image_size,
            "context_length": getattr(self.tokenizer, "context_length", None),
            "remarks": list(self.remarks),
        }


def load_clip(
    backbone: str,
    pretrained: str | Path | None,
    *,
    device: str = "cpu",
    quick_gelu: bool | None = None,
    keys: Keys = STRATEGY,
) -> LoadedClip:
    """Load a CLIP.

    Args:
        backbone: open_clip's name of the architecture; ignored for a file in clsim's format, which contains it.
        pretrained: Tag of open_clip's weights; or a checkpoint (.safetensors, a pickle of plain tensors, or OpenAI's
            TorchScript archive); None: random weights.
        device: Device of the model.
        quick_gelu: Activation that the weights were trained with, QuickGELU or GELU; None: that of the tag or the file,
            see :func:`~clsim.models.clip_properties.properties_of_file`.
        keys: Keys of the scenario that name backbone and weights, for messages.

    Raises:
        UserError: There is no such backbone, tag or file; the file is damaged or not safe to read; weights have another
            shape or are not finite; the activation is unknown; a package is missing.
        WeightsMissing: The weights of the tag are not on this machine and could not be fetched.

    """
    if pretrained is not None and _is_path(str(pretrained)):
        path = from_home(pretrained, keys.weights)
        state, metadata = read_weights(path, keys.weights)
        if metadata.get("format") == FORMAT:
            return _own(path, state, metadata, device)
        return _checkpoint(backbone, path, state, device, quick_gelu, keys)
    return _tagged(backbone, None if pretrained is None else str(pretrained), device, quick_gelu)


def save_clip(
    path: Path,
    model: nn.Module,
    tokenizer: CompactTokenizer,
    *,
    architecture: Mapping[str, Any],
    mean: Sequence[float],
    std: Sequence[float],
    name: str,
    teacher: TeacherFacts | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write clsim's format: one safetensors file with model, vocabulary and normalization.

    A frozen backbone inside the model is named, not stored: its weights come from their package.

    Args:
        path: Path of the file, which is written whole or not at all.
        model: An ``open_clip.model.CLIP``.
        tokenizer: Tokenizer of the model.
        architecture: Keyword arguments that make the model.
        mean: Mean per channel of the images.
        std: Standard deviation per channel of the images.
        name: Name of the model.
        teacher: Backbone whose features the image tower reads; None: the tower reads pixels.
        dtype: Type of the stored weights, which load as float32.

    """
    metadata = {
        "format": FORMAT,
        "name": name,
        "architecture": json.dumps(architecture),
        "words": json.dumps(tokenizer.words, ensure_ascii=False),
        "preprocessing": json.dumps({"mean": list(mean), "std": list(std)}),
    }
    if teacher is not None:
        metadata |= teacher.written()
    path.parent.mkdir(parents=True, exist_ok=True)
    own = {key: value for key, value in model.state_dict().items() if not key.startswith(TEACHER_WEIGHTS)}
    save_tensors(path, {key: value.to(dtype) for key, value in own.items()}, metadata)


def encode_texts(model: nn.Module, tokens: Tensor) -> Tensor:
    """Return text features ``(n, E)`` of open_clip's CLIP, not normalized, computed up to the longest text.

    Exact: attention is causal and the features are read at the end token, so later tokens have no effect.

    Args:
        model: An ``open_clip.model.CLIP`` that pools at the end token.
        tokens: Token ids, int64 ``(n, L)``.

    """
    end = tokens.argmax(dim=1)
    return read_text(getattr(model, "text", model), tokens[:, : int(end.max()) + 1], end)


def _is_path(pretrained: str) -> bool:
    return "/" in pretrained or pretrained.endswith(SUFFIXES) or Path(pretrained).is_file()


def _frozen(model: nn.Module, device: str) -> nn.Module:
    return model.requires_grad_(False).eval().to(device)


def _own(path: Path, state: dict[str, Tensor], metadata: dict[str, str], device: str) -> LoadedClip:
    try:
        teacher = TeacherFacts.read(metadata)
        features = teacher.features if teacher else None
        architecture = read_architecture(metadata, state, path, features)
        preprocessing = json.loads(metadata["preprocessing"])
        model = build_clip(architecture, features)
        tokenizer = CompactTokenizer(json.loads(metadata["words"]), architecture["text_cfg"]["context_length"])
        image_size = int(architecture["vision_cfg"]["image_size"])
        mean, std = tuple(preprocessing["mean"]), tuple(preprocessing["std"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UserError(f"the metadata of the checkpoint are damaged ({error})", where=str(path)) from error
    fill(model, state, path, metadata.get("name", path.stem))
    if teacher:
        teacher.attach(model, image_size)
    return LoadedClip(
        model=_frozen(model, device),
        tokenizer=tokenizer,
        mean=mean,
        std=std,
        image_size=image_size,
        name=metadata.get("name", path.stem),
        sha256=weights_sha256(model),
    )


def _checkpoint(
    backbone: str, path: Path, state: dict[str, Tensor], device: str, quick_gelu: bool | None, keys: Keys
) -> LoadedClip:
    architecture = _architecture(backbone)
    properties = properties_of_file(backbone, architecture, path, state, quick_gelu=quick_gelu, key=keys.quick_gelu)
    model = _build(backbone, properties.quick_gelu)
    fill(model, converted(model, state), path, backbone, keys.backbone)
    for remark in properties.remarks:
        warnings.warn(remark, stacklevel=2)
    return _loaded(model, backbone, f"{backbone} ({path.name})", device, properties)


def _tagged(backbone: str, tag: str | None, device: str, quick_gelu: bool | None) -> LoadedClip:
    if tag is None:
        model = _build(backbone, quick_gelu)
        source = "the architecture" if quick_gelu is None else "the setting quick_gelu"
        properties = ClipProperties(bool(quick_gelu), usual_preparation(backbone), source)
        return _loaded(model, backbone, f"{backbone} (random)", device, properties)
    _architecture(backbone)
    tags = open_clip.list_pretrained_tags_by_model(backbone)
    if tag not in tags:
        near = difflib.get_close_matches(tag, tags, n=1)
        fix = f"Did you mean {near[0]}?" if near else f"Tags: {', '.join(tags) or 'none'}."
        raise UserError(f"open_clip has no weights {tag!r} for {backbone}, and no such file exists", fix=fix)
    properties = published(backbone)[tag]
    if quick_gelu is not None:
        properties = replace(properties, quick_gelu=quick_gelu, source="the setting quick_gelu")
    try:
        with cached_if_unreachable(), _silent():
            # Both settings: the first alone cannot switch off the QuickGELU of an architecture.
            model = open_clip.create_model(
                backbone,
                pretrained=tag,
                force_quick_gelu=properties.quick_gelu,
                **({} if quick_gelu is None else {"quick_gelu": quick_gelu}),
            )
    except (RuntimeError, OSError, ImportError) as error:
        raise WeightsMissing(
            f"the weights {backbone}/{tag} are not on this machine and could not be fetched",
            fix="Give a local checkpoint: --set strategy.pretrained=PATH",
        ) from error
    return _loaded(model, backbone, f"{backbone}/{tag}", device, properties)


@contextmanager
def _silent() -> Iterator[None]:
    """Silence open_clip's log in this context; the exception reports an error once."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _loaded(model: nn.Module, backbone: str, name: str, device: str, properties: ClipProperties) -> LoadedClip:
    size: Any = getattr(model, "visual").image_size  # noqa: B009
    preparation = properties.preparation
    return LoadedClip(
        model=_frozen(model, device),
        tokenizer=_tokenizer(backbone),
        mean=preparation.mean,
        std=preparation.std,
        image_size=int(size[0] if isinstance(size, tuple) else size),
        name=name,
        sha256=weights_sha256(model),
        interpolation=preparation.interpolation,
        resize_mode=preparation.resize_mode,
        source=properties.source,
        remarks=properties.remarks,
    )


def _tokenizer(backbone: str) -> Callable[[list[str]], Tensor]:
    try:
        with cached_if_unreachable(), _silent():
            return cast("Callable[[list[str]], Tensor]", open_clip.get_tokenizer(backbone))
    except ImportError as error:
        raise package_missing(f"the tokenizer of {backbone}", error) from error
    except (OSError, ValueError, RuntimeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsMissing(
            f"the tokenizer of {backbone} is not on this machine and could not be fetched ({first})",
            fix="Run once with a network, or choose a model with CLIP's own tokenizer, such as ViT-B-16.",
        ) from error


def _architecture(backbone: str) -> dict[str, Any]:
    # Not local-dir: or hf-hub:, with which open_clip loads any model of a folder or a server.
    config: dict[str, Any] | None = None if ":" in backbone else open_clip.get_model_config(backbone)
    if config is None:
        near = difflib.get_close_matches(backbone, open_clip.list_models(), n=1)
        fix = f"Did you mean {near[0]}?" if near else "Names: `clsim list models`."
        raise UserError(f"open_clip has no model {backbone!r}", fix=fix)
    # Checked before weights are fetched or built.
    text = config["text_cfg"]
    foreign = "hf_tokenizer_name" in text or "hf_model_name" in text or "siglip" in backbone.lower()
    if foreign and find_spec("transformers") is None:
        raise package_missing(backbone, ModuleNotFoundError(name="transformers"))
    return config


def _build(backbone: str, quick_gelu: bool | None) -> nn.Module:
    """Return the bare model; open_clip's factory would warn about weights that are loaded later."""
    config = _architecture(backbone)
    if "multimodal_cfg" in config or "hf_model_name" in config["text_cfg"]:
        raise UserError(f"{backbone} does not have two plain towers", fix="Choose a ViT, such as ViT-B-16.")
    if quick_gelu is not None:
        config["quick_gelu"] = quick_gelu
    model: nn.Module = CustomTextCLIP(**config) if config.pop("custom_text", False) else CLIP(**config)
    return model
