"""Builder of streams of image-text models: every session brings a CLIP that queries the index of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clsim.data.core.captioned import CaptionDataSet
from clsim.streams.rules import too_few_pairs
from clsim.streams.text_stream import TextStream
from clsim.utils.arguments import Count, checked
from clsim.utils.errors import ArgumentError, UserError
from clsim.utils.text import describe

if TYPE_CHECKING:
    from clsim.models.replacement_model import ReplacementClip


@checked
def text_upgrade(dataset: CaptionDataSet, *, load: Sequence[ReplacementClip], pairs: Count | None = None) -> TextStream:
    """Build a stream of image-text models that replace each other in turn.

    Args:
        dataset: Training and test images with captions.
        load: Model of every session. Two are one upgrade; more are a chain of upgrades.
        pairs: Number of training images that a session brings, the first ones of the data set. ``None`` takes all.

    Raises:
        UserError: There is no model, the data set has too few images, or an argument has a wrong type.

    Example:
        >>> from open_clip.model import CLIP
        >>> from clsim.data.datasets.shapes_captioned import shapes_captioned
        >>> from clsim.models import LoadedClip
        >>> from clsim.models.replacement_model import ReplacementClip
        >>> from clsim.models.tokenizer import CompactTokenizer
        >>> tokenizer = CompactTokenizer([], context_length=16)
        >>> vision = {"layers": 1, "width": 8, "head_width": 4, "patch_size": 16, "image_size": 32}
        >>> text = {"layers": 1, "width": 8, "heads": 2, "context_length": 16, "vocab_size": len(tokenizer)}
        >>> network = CLIP(8, vision, text)
        >>> clip = LoadedClip(network, tokenizer, (0.5,) * 3, (0.5,) * 3, image_size=32, name="tiny", sha256="")
        >>> versions = [ReplacementClip("v1", clip), ReplacementClip("v2", clip)]
        >>> stream = text_upgrade(shapes_captioned(train=4, test=2), load=versions, pairs=3)
        >>> len(stream), len(stream.pairs), len(stream.texts), list(stream.incoming)
        (2, 3, 12, ['v1', 'v2'])

    """
    from clsim.models.replacement_model import ReplacementClip

    if not load:
        raise UserError("an upgrade stream needs at least one model", where="stream.load")
    for number, model in enumerate(load):
        if not isinstance(model, ReplacementClip):
            raise ArgumentError(f"stream.load.{number}: expected a ReplacementClip, got {describe(model)}")
    if pairs is not None and pairs > len(dataset.train):
        raise UserError(too_few_pairs(pairs, dataset.name, len(dataset.train)), where="stream.pairs")
    return TextStream(dataset, load, pairs)
