"""BiMC: prototypes of images and class texts, calibrated within and between modalities (CVPR 2025), training-free.

Descriptions of the classes are optional: without them the class texts take their place. Defaults are those published
for CIFAR-100, without the second opinion.
"""

from clsim import Strategy
from clsim.models import ClipImageTower, FrozenClassifier, load_clip
from clsim.models.heads import BiMC
from clsim.models.text_features import class_text_features, description_features, read_descriptions
from clsim.plugins import ClassScope, FitHead
from clsim.streams import Stream
from clsim.training.options import Precision
from clsim.utils.arguments import Fraction, NotNegative

STREAMS = ("fscil", "incremental")


def build(
    stream: Stream,
    *,
    backbone: str = "ViT-B-16",
    pretrained: str | None = "openai",
    quick_gelu: bool | None = None,
    template: str = "a photo of a [].",
    descriptions: str | None = None,
    text_weight: Fraction = 0.65,
    shift: Fraction = 0.1,
    sharpness: NotNegative = 16.0,
    first_opinion: Fraction = 1.0,
    base_ridge: NotNegative = 1.0,
    later_ridge: NotNegative = 5.0,
    precision: Precision = "fp32",
    device: str = "cpu",
) -> Strategy:
    """Compose BiMC.

    Args:
        stream: Stream of sessions, whose class names become texts.
        backbone: Name of an open_clip model.
        pretrained: Tag of open_clip, path of a checkpoint or entry of the scenario's models; null: random weights.
        quick_gelu: Activation of weights from a file: true for QuickGELU, false for GELU; null: read from the file.
        template: Text of a class, where [] stands for its name.
        descriptions: Path of a JSON file with lists of sentences by class name; null: none.
        text_weight: Weight of the texts in a prototype; published: 0.65, and 0.3 on CUB.
        shift: Share of similar base classes in the image prototype of a new class.
        sharpness: Factor of the cosines between image prototypes.
        first_opinion: Weight of the prototypes; covariance and descriptions have the rest. Published ensemble: 0.6,
            and 0.8 on CUB.
        base_ridge: Multiple of the mean variance added to the variances of the base session.
        later_ridge: Multiple of the mean variance added to the variances of later sessions.
        precision: Floating-point format of the image tower's pass.
        device: Device of the model.

    """
    clip = load_clip(backbone, pretrained, device=device, quick_gelu=quick_gelu)
    texts = class_text_features(clip, stream.class_names, template)
    described, labels = None, None
    if descriptions is not None:
        described, labels = description_features(clip, stream.class_names, read_descriptions(descriptions))
    head = BiMC(
        texts,
        described,
        labels,
        text_weight=text_weight,
        shift=shift,
        sharpness=sharpness,
        first_opinion=first_opinion,
        base_ridge=base_ridge,
        later_ridge=later_ridge,
    )
    return Strategy(
        model=FrozenClassifier(ClipImageTower(clip), head),
        train_epochs=0,
        device=device,
        plugins=[ClassScope(training="seen", evaluation="seen"), FitHead(head)],
        precision=precision,
    )
