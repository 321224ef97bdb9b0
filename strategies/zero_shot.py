"""Zero-shot CLIP: each image is assigned to the class with the nearest text. Nothing is trained or forgotten.

The reference for every method that tunes CLIP: the accuracy of the pre-trained model.
"""

from clsim import Strategy
from clsim.models import PromptedCLIP, load_clip
from clsim.plugins import ClassScope
from clsim.streams import Stream
from clsim.training.options import Precision


def build(
    stream: Stream,
    *,
    backbone: str = "ViT-B-16",
    pretrained: str | None = "openai",
    quick_gelu: bool | None = None,
    template: str = "[].",
    precision: Precision = "fp32",
    device: str = "cpu",
) -> Strategy:
    """Compose the zero-shot reference.

    Args:
        stream: Stream of sessions, whose class names become texts.
        backbone: Name of an open_clip model whose image tower is a ViT.
        pretrained: Tag of open_clip, path of a checkpoint or entry of the scenario's models; null: random weights.
        quick_gelu: Activation of weights from a file: true for QuickGELU, false for GELU; null: read from the file.
        template: Text of a class, where [] stands for its name.
        precision: Floating-point format of the forward pass.
        device: Device of the model.

    """
    model = PromptedCLIP.from_clip(
        load_clip(backbone, pretrained, device=device, quick_gelu=quick_gelu),
        stream.class_names,
        template=template,
        text_prompts=False,
        vision_prompts=False,
    )
    return Strategy(
        model=model.requires_grad_(False),
        train_epochs=0,
        device=device,
        plugins=[ClassScope(training="seen", evaluation="seen")],
        precision=precision,
    )
