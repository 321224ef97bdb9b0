"""Training of a CLIP by its recipe, to a file in clsim's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from clsim.config.models.recipe import ClipRecipe
from clsim.models.clip import load_clip, save_clip
from clsim.models.teacher import TeacherFacts, load_teacher
from clsim.models.tokenizer import CompactTokenizer
from clsim.pretraining import contrastive, distillation
from clsim.pretraining.contrastive import Progress
from clsim.pretraining.corpora import make_corpus
from clsim.pretraining.partial import Partial
from clsim.pretraining.taught_corpus import make_taught_corpus

UNCHANGED = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
"""Mean and standard deviation of a CLIP whose teacher normalizes the images."""


def make_clip_file(
    name: str,
    recipe: ClipRecipe,
    path: Path,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
    unfinished: Partial | None = None,
) -> dict[str, Any]:
    """Train a CLIP, write it to ``path``, and return the hashes of its weights for the manifest.

    Args:
        name: Name of the model.
        recipe: Recipe, with a teacher or without.
        path: Path of the weights.
        device: Device of the training.
        progress: Callback, see :data:`~clsim.pretraining.contrastive.Progress`; None for none.
        unfinished: Checkpoint to resume from and save to; None for none.

    Raises:
        UserError: See :func:`~clsim.models.teacher.load_teacher`.
        DataMissing: A data set of the recipe is not here.
        WeightsMissing: The weights of the teacher are not installed.

    """
    model: nn.Module
    tokenizer: CompactTokenizer
    facts: TeacherFacts | None = None
    mean, std = contrastive.MEAN, contrastive.STD
    if recipe.teacher is None:
        corpus = make_corpus(recipe)
        model, tokenizer = contrastive.train(recipe, corpus, device=device, progress=progress, unfinished=unfinished)
    else:
        teacher = load_teacher(recipe.teacher.model, recipe.image_size)
        taught = make_taught_corpus(recipe, teacher)
        made = distillation.train(recipe, taught, teacher, device=device, progress=progress, unfinished=unfinished)
        (model, tokenizer), facts, (mean, std) = made, teacher.facts, UNCHANGED
    architecture = recipe.architecture(len(tokenizer))
    save_clip(path, model, tokenizer, architecture=architecture, mean=mean, std=std, name=name, teacher=facts)
    hashes = {"weights_sha256": load_clip(name, path).sha256}
    return hashes if facts is None else hashes | {"teacher_sha256": facts.sha256}
