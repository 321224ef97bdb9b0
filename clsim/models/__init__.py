"""Models and their parts, independent of data sets, streams and strategies.

May import `data`, `losses` and `utils`. Names are imported on first use, since timm takes seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.utils.lazy import lazy_exports

if TYPE_CHECKING:
    from clsim.models.backbones import make_backbone
    from clsim.models.bridges import Bridge, fit_bridges, load_bridge, make_bridge, procrustes_bound
    from clsim.models.classifier import LinearClassifier
    from clsim.models.clip import LoadedClip, load_clip, save_clip
    from clsim.models.clip_tower import ClipImageTower
    from clsim.models.embedding import EmbeddingClassifier, make_embedding_classifier
    from clsim.models.frozen import FrozenClassifier
    from clsim.models.frozen_backbone import FrozenBackbone
    from clsim.models.image_text import ImageTextModel
    from clsim.models.orthogonal import OrthogonalAlignment
    from clsim.models.pretrained import freeze, load_backbone, load_imagenet_classifier
    from clsim.models.projection import Projection
    from clsim.models.prompted_clip import PromptedCLIP
    from clsim.models.simplex import SimplexClassifier, StationaryClassifier, dsimplex

__all__ = [
    "Bridge",
    "ClipImageTower",
    "EmbeddingClassifier",
    "FrozenBackbone",
    "FrozenClassifier",
    "ImageTextModel",
    "LinearClassifier",
    "LoadedClip",
    "OrthogonalAlignment",
    "Projection",
    "PromptedCLIP",
    "SimplexClassifier",
    "StationaryClassifier",
    "dsimplex",
    "fit_bridges",
    "freeze",
    "load_backbone",
    "load_bridge",
    "load_clip",
    "load_imagenet_classifier",
    "make_backbone",
    "make_bridge",
    "make_embedding_classifier",
    "procrustes_bound",
    "save_clip",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Bridge": "clsim.models.bridges",
        "ClipImageTower": "clsim.models.clip_tower",
        "EmbeddingClassifier": "clsim.models.embedding",
        "FrozenBackbone": "clsim.models.frozen_backbone",
        "FrozenClassifier": "clsim.models.frozen",
        "ImageTextModel": "clsim.models.image_text",
        "LinearClassifier": "clsim.models.classifier",
        "LoadedClip": "clsim.models.clip",
        "OrthogonalAlignment": "clsim.models.orthogonal",
        "Projection": "clsim.models.projection",
        "PromptedCLIP": "clsim.models.prompted_clip",
        "SimplexClassifier": "clsim.models.simplex",
        "StationaryClassifier": "clsim.models.simplex",
        "dsimplex": "clsim.models.simplex",
        "fit_bridges": "clsim.models.bridges",
        "freeze": "clsim.models.pretrained",
        "load_backbone": "clsim.models.pretrained",
        "load_bridge": "clsim.models.bridges",
        "load_clip": "clsim.models.clip",
        "load_imagenet_classifier": "clsim.models.pretrained",
        "make_backbone": "clsim.models.backbones",
        "make_bridge": "clsim.models.bridges",
        "make_embedding_classifier": "clsim.models.embedding",
        "procrustes_bound": "clsim.models.bridges",
        "save_clip": "clsim.models.clip",
    },
)
