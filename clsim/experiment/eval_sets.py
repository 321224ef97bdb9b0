"""Query and gallery images on which versions of a model are compared."""

from __future__ import annotations

import torch

from clsim.config.evaluation import HELD_OUT, STREAM, CompatibilityEvaluation
from clsim.config.validation import Validation
from clsim.data import load_dataset
from clsim.data.core.held_out import held_out
from clsim.data.core.images import Images
from clsim.streams import Stream
from clsim.utils.errors import UserError


def compared_images(
    given: CompatibilityEvaluation, stream: Stream, validation: Validation | None = None
) -> tuple[Images, Images]:
    """Return the query and gallery images, in the size of the stream's images.

    Args:
        given: Block ``evaluation.compatibility``. Its images are of the stream's classes, of the other classes of the
            data set, or of all classes of another data set.
        stream: Stream of the scenario.
        validation: Block ``validation``. If given, versions are compared on held-out training images of any data set,
            and only on classes that have them.

    Returns:
        Query and gallery, one object if both are the same part of the data set.

    Raises:
        DataMissing: The data set is not here.
        UserError: No class is held out of the stream, or a class has too few images.

    """
    dataset, classes = stream.dataset, {label for block in stream.class_blocks for label in block}
    if given.images == HELD_OUT:
        classes = set(range(len(dataset.class_names))) - classes
        if not classes:
            raise UserError(
                f"all {len(dataset.class_names)} classes of {dataset.name} are in the stream: none is held out",
                where="evaluation.compatibility.images",
                fix="set stream.sessions to leave some out, or name another data set",
            )
    elif given.images != STREAM:
        if given.images != dataset.name:
            dataset = load_dataset(given.images, image_size=stream.image_size)
            if validation is not None:
                dataset = held_out(dataset, validation.share, validation.seed)
        classes = set(range(len(dataset.class_names)))
    if validation is not None:
        classes &= set(dataset.test.labels.tolist())
    parts = {"train": dataset.train, "test": dataset.test}
    query = _chosen(parts[given.query], classes, given.images_per_class)
    if given.query == given.gallery:
        return query, query
    return query, _chosen(parts[given.gallery], classes, given.images_per_class)


def _chosen(images: Images, classes: set[int], per_class: int | None) -> Images:
    """Return the first ``per_class`` images of each class, or all, in their order in the set."""
    found = images.first_of_each(sorted(classes), per_class)
    fewest = min(map(len, found))
    if fewest < (per_class or 1):
        raise UserError(
            f"a class of {images.name} has {fewest} images to compare, not {per_class or 1}",
            where="evaluation.compatibility",
        )
    chosen = torch.cat(found)
    return images if len(chosen) == len(images) else images.subset(chosen.sort().values)
