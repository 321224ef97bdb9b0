"""Few-shot streams that are tested on training images held out of their base session."""

from __future__ import annotations

from clsim.data.core.held_out import held_out, kept_images
from clsim.streams.session import ResidentView
from clsim.streams.stream import Stream
from clsim.utils.arguments import Between, Seed, checked
from clsim.utils.errors import ArgumentError


@checked
def on_held_out(stream: Stream, share: Between, seed: Seed) -> Stream:
    """Return the stream with a share of the base session's training images as test images.

    Later sessions have too few images to split. They train on all of them, and the accuracy after them is that on
    the base classes. Classes that never come are split too, since versions may be compared on them.

    Args:
        stream: Few-shot stream into which no models arrive.
        share: Fraction of every class's training images to hold out.
        seed: Seed of the draw.

    Raises:
        ArgumentError: The share or the seed is out of range, or the stream is of another kind.

    """
    if not stream.few_shot or stream.replacements:
        fix = (
            "hold images out of its data set before it is cut: clsim.data.core.held_out.held_out(dataset, share, seed)"
        )
        raise ArgumentError("on_held_out: stream: expected a few-shot stream without replacements", fix=fix)
    dataset = stream.dataset
    few = {label for block in stream.class_blocks[1:] for label in block}
    classes = set(range(len(dataset.class_names))) - few
    kept = kept_images(dataset, share, seed, classes)
    moved = kept.cumsum(0) - 1  # position of a remaining image among the remaining ones
    split = held_out(dataset, share, seed, classes)
    views = []
    for session in stream.train_stream:
        indices = session.resident.indices
        views.append(ResidentView(split.train, moved[indices[kept[indices]]]))
    return Stream(split, stream.class_blocks, views, few_shot=stream.few_shot)
