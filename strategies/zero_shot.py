"""Zero-shot CLIP: each image goes to the class whose text is nearest. Nothing is trained, so nothing is forgotten.

The reference of every method that tunes CLIP: what the pre-trained model knows already.
"""

from typing import Literal

from clsim import Strategy
from clsim.models import PromptedCLIP, load_clip
from clsim.plugins import ClassScope
from clsim.streams import Stream


def build(
    stream: Stream,
    *,
    backbone: str = "ViT-B-16",
    pretrained: str | None = "openai",
    quick_gelu: bool | None = None,
    template: str = "[].",
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    device: str = "cpu",
) -> Strategy:
    """Composes the zero-shot reference.

    Args:
        stream: names the classes.
        backbone: an open_clip model whose image tower is a ViT.
        pretrained: an open_clip tag, the path of a checkpoint, an entry of the scenario's models, or null.
        quick_gelu: the activation of weights in a file: QuickGELU, GELU, or null, as the file tells.
        template: text of a class, [] standing for its name.
        precision: of the forward pass.
        device: where it runs.

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
