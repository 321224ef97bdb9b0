"""open_clip models from a name and a tag, from a local checkpoint, or from clsim's own single file."""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.convert import convert_state_dict
from open_clip.model import CLIP, CustomTextCLIP
from torch import Tensor, nn

from clsim.errors import UserError, WeightsMissing
from clsim.files import save_tensors
from clsim.models.architecture import read_architecture
from clsim.models.checkpoints import fill, read_weights, weights_sha256
from clsim.models.hub import cached_if_unreachable
from clsim.models.tokenizer import CompactTokenizer
from clsim.models.towers import read_text

FORMAT = "clsim-clip/1"
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")


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

    """

    model: nn.Module
    tokenizer: Callable[[list[str]], Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    name: str
    sha256: str


def load_clip(
    backbone: str, pretrained: str | Path | None, *, device: str = "cpu", quick_gelu: bool | None = None
) -> LoadedClip:
    """Loads a CLIP.

    Args:
        backbone: open_clip's name of the architecture; not looked at for a file in clsim's own format,
            which carries it.
        pretrained: one of open_clip's tags for the backbone, or a checkpoint (.safetensors, or a pickle of
            plain tensors), or None for random weights.
        device: where the model goes.
        quick_gelu: the activation the weights were trained with. Told by the tag where there is one; else by
            an ``open_clip_config.json`` beside the checkpoint; else the backbone's own (``...-quickgelu``).

    Raises:
        UserError: no such backbone, tag or file; a file that is damaged or not safe to read; weights of
            another shape.
        WeightsMissing: the tag's weights are not on this machine and could not be fetched.

    """
    if pretrained is not None and _is_path(str(pretrained)):
        path = Path(pretrained).expanduser()
        state, metadata = read_weights(path)
        if metadata.get("format") == FORMAT:
            return _own(path, state, metadata, device)
        return _checkpoint(backbone, path, state, device, quick_gelu)
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
    backbone: str, path: Path, state: dict[str, Tensor], device: str, quick_gelu: bool | None
) -> LoadedClip:
    beside = path.with_name("open_clip_config.json")
    try:
        config: dict[str, Any] = json.loads(beside.read_text()) if beside.is_file() else {}
    except (ValueError, RecursionError) as error:
        raise UserError(f"this is not JSON ({error})", where=str(beside)) from error
    if quick_gelu is None and "model_cfg" in config:
        quick_gelu = bool(config["model_cfg"].get("quick_gelu", False))
    model = _build(backbone, quick_gelu)
    fill(model, convert_state_dict(model, state), path, backbone)
    return _loaded(model, backbone, f"{backbone} ({path.name})", device, config.get("preprocess_cfg", {}))


def _tagged(backbone: str, tag: str | None, device: str, quick_gelu: bool | None) -> LoadedClip:
    if tag is None:
        return _loaded(_build(backbone, quick_gelu), backbone, f"{backbone} (random)", device, {})
    _architecture(backbone)
    tags = open_clip.list_pretrained_tags_by_model(backbone)
    if tag not in tags:
        near = difflib.get_close_matches(tag, tags, n=1)
        fix = f"Did you mean {near[0]}?" if near else f"Tags: {', '.join(tags) or 'none'}."
        raise UserError(f"open_clip has no weights {tag!r} for {backbone}, and no such file exists", fix=fix)
    config = open_clip.get_pretrained_cfg(backbone, tag)
    force = bool(config.get("quick_gelu", False)) if quick_gelu is None else quick_gelu
    try:
        with cached_if_unreachable(), _silent():
            model = open_clip.create_model(backbone, pretrained=tag, force_quick_gelu=force)
    except (RuntimeError, OSError, ImportError) as error:
        raise WeightsMissing(
            f"the weights {backbone}/{tag} are not on this machine and could not be fetched",
            fix="Give a local checkpoint: --set strategy.pretrained=PATH",
        ) from error
    return _loaded(model, backbone, f"{backbone}/{tag}", device, open_clip.get_model_preprocess_cfg(model))


@contextmanager
def _silent() -> Iterator[None]:
    """Without open_clip's own log lines: what went wrong is told once, by the exception."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _loaded(model: nn.Module, backbone: str, name: str, device: str, preprocessing: Mapping[str, Any]) -> LoadedClip:
    size: Any = getattr(model, "visual").image_size  # noqa: B009
    return LoadedClip(
        model=_frozen(model, device),
        tokenizer=open_clip.get_tokenizer(backbone),
        mean=tuple(preprocessing.get("mean", OPENAI_DATASET_MEAN)),
        std=tuple(preprocessing.get("std", OPENAI_DATASET_STD)),
        image_size=int(size[0] if isinstance(size, tuple) else size),
        name=name,
        sha256=weights_sha256(model),
    )


def _architecture(backbone: str) -> dict[str, Any]:
    # Not local-dir: and hf-hub:, by which open_clip takes whatever lies in a folder or on a server.
    config: dict[str, Any] | None = None if ":" in backbone else open_clip.get_model_config(backbone)
    if config is None:
        near = difflib.get_close_matches(backbone, open_clip.list_models(), n=1)
        fix = f"Did you mean {near[0]}?" if near else "Names: `clsim list models`."
        raise UserError(f"open_clip has no model {backbone!r}", fix=fix)
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
