"""Fine-tuning: each session trains the whole network on its own images alone, with no defense against forgetting.

The lower bound of a table: a method of continual learning must do better.
"""

from clsim import Strategy
from clsim.models import ClipImageTower, LinearClassifier, load_clip, make_backbone
from clsim.plugins import BaseSession, ClassScope
from clsim.streams import Stream
from clsim.training.options import SessionTraining


def build(
    stream: Stream,
    *,
    backbone: str = "resnet20",
    pretrained: str | None = None,
    quick_gelu: bool | None = None,
    training: SessionTraining = SessionTraining(),
    device: str = "cpu",
) -> Strategy:
    """Compose fine-tuning of a backbone with a linear classifier.

    Args:
        stream: Stream of sessions.
        backbone: Name of a timm model trained from scratch or, with pretrained, of an open_clip model, whose image
            tower is used.
        pretrained: Tag of open_clip, path of a CLIP checkpoint or entry of the scenario's models; null: random weights.
        quick_gelu: Activation of weights from a file: true for QuickGELU, false for GELU; null: read from the file.
        training: Options of training.
        device: Device of the model.

    """
    if pretrained is None:
        features = make_backbone(backbone)
    else:
        features = ClipImageTower(load_clip(backbone, pretrained, device=device, quick_gelu=quick_gelu))
    return training.compose(
        LinearClassifier(features, len(stream.class_names)),
        [
            BaseSession(epochs=training.base_epochs, train_mb_size=training.base_batch_size),
            ClassScope(training="seen", evaluation="seen"),
        ],
        device=device,
    )
