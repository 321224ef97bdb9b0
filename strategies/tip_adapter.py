"""Tip-Adapter: zero-shot CLIP with a cache of a few labeled image features (arXiv 2111.03930). Nothing is trained.

Weight and sharpness of the cache are chosen once, on images of the base session that are not in the cache.
"""

from clsim import Strategy
from clsim.models import ClipImageTower, FrozenClassifier, load_clip
from clsim.models.heads import TipAdapter
from clsim.models.text_features import class_text_features
from clsim.plugins import ClassScope, FitHead
from clsim.streams import Stream
from clsim.training.options import Precision
from clsim.utils.arguments import Count, NotNegative, Whole

STREAMS = ("fscil", "incremental")


def build(
    stream: Stream,
    *,
    backbone: str = "ViT-B-16",
    pretrained: str | None = "openai",
    quick_gelu: bool | None = None,
    template: str = "a photo of a [].",
    shots: Count = 16,
    alpha: NotNegative = 1.17,
    beta: NotNegative = 1.0,
    steps: Whole = 20,
    precision: Precision = "fp32",
    device: str = "cpu",
) -> Strategy:
    """Compose Tip-Adapter.

    Args:
        stream: Stream of sessions, whose class names become texts.
        backbone: Name of an open_clip model.
        pretrained: Tag of open_clip, path of a checkpoint or entry of the scenario's models; null: random weights.
        quick_gelu: Activation of weights from a file: true for QuickGELU, false for GELU; null: read from the file.
        template: Text of a class, where [] stands for its name.
        shots: Images of each class in the cache, at most.
        alpha: Weight of the cache, where the base session has no images for the search.
        beta: Sharpness of the cache, likewise.
        steps: Number of values of each that the search tries; 0: no search.
        precision: Floating-point format of the image tower's pass.
        device: Device of the model.

    """
    clip = load_clip(backbone, pretrained, device=device, quick_gelu=quick_gelu)
    texts = class_text_features(clip, stream.class_names, template)
    head = TipAdapter(texts, shots=shots, alpha=alpha, beta=beta, steps=steps)
    return Strategy(
        model=FrozenClassifier(ClipImageTower(clip), head),
        train_epochs=0,
        device=device,
        plugins=[ClassScope(training="seen", evaluation="seen"), FitHead(head)],
        precision=precision,
    )
