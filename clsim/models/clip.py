"""open_clip models from a name and a tag, from a local checkpoint, or from clsim's own single file."""

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
from clsim.models.hub import cached_if_unreachable, package_missing
from clsim.models.preprocess import Interpolation, Preprocess, ResizeMode
from clsim.models.tokenizer import CompactTokenizer
from clsim.models.towers import read_text
from clsim.utils.errors import UserError, WeightsMissing
from clsim.utils.files import from_home, save_tensors

FORMAT = "clsim-clip/1"


class Keys(NamedTuple):
    """Keys of a scenario under which a CLIP is described, for messages."""

    weights: str = "strategy.pretrained"
    backbone: str = "strategy.backbone"
    quick_gelu: str = "strategy.quick_gelu"

    @classmethod
    def of_model(cls, name: str, *, in_file: bool) -> Keys:
        """Return the keys of an entry of ``models:``, a checkpoint or a model of open_clip."""
        weights, backbone = ("path", "backbone") if in_file else ("pretrained", "model")
        return cls(*(f"models.{name}.{key}" for key in (weights, backbone, "quick_gelu")))


STRATEGY = Keys()


@dataclass(frozen=True)
class LoadedClip:
    """A frozen CLIP and all that its inputs need.

    Attributes:
        model: open_clip's module, in evaluation mode, without gradients.
        tokenizer: texts to int64 [n, L].
        mean, std: of the normalisation, per channel, for images in [0, 1].
        image_size: side of the square images, in pixels.
        name: of the architecture and its weights.
        sha256: of the weights, the same from whatever file they came.
        interpolation, resize_mode: of the resize, see :class:`~clsim.models.preprocess.Preprocess`.
        source: Where the activation is known from.
        remarks: Warnings that were given when it was loaded.

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
        """Return what a manifest records: properties of which the weights themselves say nothing."""
        return {
            "name": self.name,
            "weights_sha256": self.sha256,
            # Read off the model that runs, not off the setting that made it.
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
        backbone: open_clip's name of the architecture; not looked at for a file in clsim's own format,
            which carries it.
        pretrained: one of open_clip's tags for the backbone, or a checkpoint (.safetensors, a pickle of
            plain tensors, or OpenAI's TorchScript archive), or None for random weights.
        device: where the model goes.
        quick_gelu: Activation the weights were trained with; None: what the tag or the file tells, see
            :func:`~clsim.models.clip_properties.properties_of_file`.
        keys: Keys of the scenario that name backbone and weights, for messages.

    Raises:
        UserError: no such backbone, tag or file; a file that is damaged or not safe to read; weights of
            another shape, or that are not finite; an activation that nothing tells; a package that is missing.
        WeightsMissing: the tag's weights are not on this machine and could not be fetched.

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
    dtype: torch.dtype = torch.float16,
) -> None:
    """Writes clsim's own format: one safetensors file that holds model, vocabulary and normalisation.

    Args:
        path: of the file; written whole or not at all.
        model: an ``open_clip.model.CLIP``.
        tokenizer: its tokenizer.
        architecture: the keyword arguments that make the model.
        mean, std: of the image normalisation.
        name: what the model is called.
        dtype: of the stored weights; they are float32 again when loaded.

    """
    metadata = {
        "format": FORMAT,
        "name": name,
        "architecture": json.dumps(architecture),
        "words": json.dumps(tokenizer.words, ensure_ascii=False),
        "preprocessing": json.dumps({"mean": list(mean), "std": list(std)}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(path, {key: value.to(dtype) for key, value in model.state_dict().items()}, metadata)


def encode_texts(model: nn.Module, tokens: Tensor) -> Tensor:
    """Text features [n, E], not normalised, of open_clip's CLIP, computed up to the longest text only.

    Exact: attention is causal and the features are read at the end mark, so what follows is never seen.

    Args:
        model: an ``open_clip.model.CLIP`` that pools at the end mark.
        tokens: int64 [n, L].

    """
    end = tokens.argmax(dim=1)
    return read_text(getattr(model, "text", model), tokens[:, : int(end.max()) + 1], end)


def _is_path(pretrained: str) -> bool:
    return "/" in pretrained or pretrained.endswith(SUFFIXES) or Path(pretrained).is_file()


def _frozen(model: nn.Module, device: str) -> nn.Module:
    return model.requires_grad_(False).eval().to(device)


def _own(path: Path, state: dict[str, Tensor], metadata: dict[str, str], device: str) -> LoadedClip:
    try:
        architecture = read_architecture(metadata, state, path)
        preprocessing = json.loads(metadata["preprocessing"])
        model = CLIP(**architecture)
        tokenizer = CompactTokenizer(json.loads(metadata["words"]), architecture["text_cfg"]["context_length"])
        image_size = int(architecture["vision_cfg"]["image_size"])
        mean, std = tuple(preprocessing["mean"]), tuple(preprocessing["std"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UserError(f"the checkpoint's metadata are damaged ({error})", where=str(path)) from error
    fill(model, state, path, metadata.get("name", path.stem))
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
            # Both: with the first alone an architecture that has QuickGELU could not be made without it.
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
    """Without open_clip's own log lines: what went wrong is told once, by the exception."""
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
    # Not local-dir: and hf-hub:, by which open_clip takes whatever lies in a folder or on a server.
    config: dict[str, Any] | None = None if ":" in backbone else open_clip.get_model_config(backbone)
    if config is None:
        near = difflib.get_close_matches(backbone, open_clip.list_models(), n=1)
        fix = f"Did you mean {near[0]}?" if near else "Names: `clsim list models`."
        raise UserError(f"open_clip has no model {backbone!r}", fix=fix)
    # Looked for before weights are fetched or built.
    text = config["text_cfg"]
    foreign = "hf_tokenizer_name" in text or "hf_model_name" in text or "siglip" in backbone.lower()
    if foreign and find_spec("transformers") is None:
        raise package_missing(backbone, ModuleNotFoundError(name="transformers"))
    return config


def _build(backbone: str, quick_gelu: bool | None) -> nn.Module:
    """The bare model; not by open_clip's factory, which would warn of weights that are still to come."""
    config = _architecture(backbone)
    if "multimodal_cfg" in config or "hf_model_name" in config["text_cfg"]:
        raise UserError(f"{backbone} is not a pair of plain towers", fix="Choose a ViT, such as ViT-B-16.")
    if quick_gelu is not None:
        config["quick_gelu"] = quick_gelu
    model: nn.Module = CustomTextCLIP(**config) if config.pop("custom_text", False) else CLIP(**config)
    return model
