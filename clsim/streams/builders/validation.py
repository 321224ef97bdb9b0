"""A few-shot stream that is measured on training images held out of its base session."""

from __future__ import annotations

from clsim.data.core.held_out import held_out, kept_images
from clsim.streams.session import ResidentView
from clsim.streams.stream import Stream
from clsim.utils.arguments import Between, Seed, checked
from clsim.utils.errors import ArgumentError


@checked
def on_held_out(stream: Stream, share: Between, seed: Seed) -> Stream:
    """The stream with a share of the base session's training images as test images, of which it trains on the rest.

    The few shots of later sessions are too few to be split: these are trained as they were, and what is measured after
    them is what the base classes kept. Classes that never come are split too, for versions compared on them.

    Args:
        stream: few-shot, without models that arrive.
        share: of the images of every class.
        seed: of the draw.

    Raises:
        ArgumentError: a share or seed that is none, or a stream of another kind.

    """
    if not stream.few_shot or stream.replacements:
        fix = (
            "hold images out of its data set before it is cut: clsim.data.core.held_out.held_out(dataset, share, seed)"
        )
        raise ArgumentError("on_held_out: stream: expected a few-shot one into which no models arrive", fix=fix)
    dataset = stream.dataset
    few = {label for block in stream.class_blocks[1:] for label in block}
    classes = set(range(len(dataset.class_names))) - few
    kept = kept_images(dataset, share, seed, classes)
    moved = kept.cumsum(0) - 1  # where an image that stays stands among those that do
    split = held_out(dataset, share, seed, classes)
    views = []
    for session in stream.train_stream:
        indices = session.resident.indices
        views.append(ResidentView(split.train, moved[indices[kept[indices]]]))
    return Stream(split, stream.class_blocks, views, few_shot=stream.few_shot)
